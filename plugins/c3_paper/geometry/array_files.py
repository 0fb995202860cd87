"""Read embeddings that other tools wrote (`.npy`, `.parquet`, `.safetensors`), piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from c3core.errors import C3Error, CorruptFile, WrongCall, lines_of
from c3core.io import path_of
from c3core.statistics import unit_rows

BATCH_ROWS = 4096
NAMES = ("embedding", "embeddings")  # of the column or tensor to take if a file has several


def load_embeddings(path: str | Path, *, batch_size: int = BATCH_ROWS) -> Iterator[Tensor]:
    """The embeddings of a file in order, float32 of unit norm, in tensors of at most `batch_size` rows.

    A `.npy` array (n, dim), a `.parquet` file with a column of vectors (`embedding` if there are several), or a
    `.safetensors` file with a tensor (n, dim). Rows of another norm are normalized with a warning. Raises `C3Error`
    for a file without embeddings, and for a row that is zero, NaN or infinite, with its number.
    """
    path = path_of(path)
    if not path.exists():
        raise WrongCall(f"{path} does not exist. Check the spelling.")
    readers = {".npy": _npy, ".parquet": _parquet, ".safetensors": _safetensors}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WrongCall(f"{path} is no file of embeddings. Give a store's folder, .npy, .parquet or .safetensors.")
    start = 0
    try:
        for rows in reader(path, batch_size):
            yield unit_rows(rows, of=str(path), start=start)
            start += len(rows)
    except C3Error:
        raise
    except (OSError, ValueError, pa.ArrowException, SafetensorError) as error:
        raise CorruptFile(f"{path} cannot be read ({lines_of(error)[0]}). Write it again.") from error


def _npy(path: Path, size: int) -> Iterator[Tensor]:
    array = np.lib.format.open_memmap(path, mode="r")
    _check(path, array.shape, array.dtype, array.dtype.kind == "f")
    for start in range(0, len(array), size):
        yield torch.from_numpy(np.array(array[start : start + size], dtype=np.float32))


def _parquet(path: Path, size: int) -> Iterator[Tensor]:
    with pq.ParquetFile(path) as file:
        kinds = {field.name: field.type for field in file.schema_arrow}
        vectors = [name for name, kind in kinds.items() if _is_vector(kind)]
        name = _one_of(path, vectors, "column", f" of vectors (columns: {', '.join(kinds)})")
        for rows in file.iter_batches(size, columns=[name]):
            column = rows.column(0)
            flat = column.flatten()
            dim = len(flat) // max(len(column), 1)
            lengths = pa.compute.list_value_length(column)
            if column.null_count or flat.null_count or lengths.unique().to_pylist() not in ([dim], []):
                raise C3Error(f"{path}: the vectors of column {name!r} are missing or of several lengths.")
            yield torch.from_numpy(flat.to_numpy(zero_copy_only=False).astype(np.float32)).view(len(column), dim)


def _safetensors(path: Path, size: int) -> Iterator[Tensor]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  not a mapping
        name = _one_of(
            path, [key for key, value in tensors.items() if len(value.get_shape()) == 2], "tensor", " (n, dim)"
        )
        rows = tensors[name]
        _check(path, tuple(rows.get_shape()), rows.get_dtype(), "F" in rows.get_dtype())
        for start in range(0, rows.get_shape()[0], size):
            yield rows[start : start + size].float()


def _is_vector(kind: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and bool(pa.types.is_floating(kind.value_type))


def _one_of(path: Path, names: list[str], thing: str, of: str) -> str:
    named = [name for name in names if name in NAMES] or names
    if len(named) != 1:
        raise C3Error(
            f"{path} has {len(named) or 'no'} {thing}{'s' * (len(named) > 1)}{of}. Name the one to take `embedding`."
        )
    return named[0]


def _check(path: Path, shape: tuple[int, ...], dtype: Any, is_float: bool) -> None:
    if len(shape) != 2 or not is_float:
        raise C3Error(f"{path} holds {dtype} of shape {shape}. Embeddings are floats of shape (n, dim).")
