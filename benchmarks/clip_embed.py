"""Time `embed` with CLIP, from a folder of photos to a store, against a plain loop of open_clip.

    python benchmarks/clip_embed.py [FOLDER] [--photos 2000] [--seconds 200] [--model ViT-B-32] [--workers 1]
        [--precision float32] [--runs 3]

Both read, preprocess, embed and write every photo, in turns, with the same model, batch size, workers and precision.
The plain loop is a torch DataLoader with open_clip's preprocessing, and it writes one safetensors file. The weights are
random. Without FOLDER, the photos are noise of 500 × 375 pixels. On a slow machine fewer photos are embedded, so that
all runs together take about `--seconds`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset

import c3core
from c3core.embedding import embed
from c3core.runtime import progress_bar

BATCH = 64


class Photos(Dataset[torch.Tensor]):
    """The photos as the plain loop reads them."""

    def __init__(self, paths: list[Path], preprocess: Any) -> None:
        self.paths, self.preprocess = paths, preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> torch.Tensor:
        pixels: torch.Tensor = self.preprocess(Image.open(self.paths[at]))
        return pixels


def plain(model: Any, preprocess: Any, paths: list[Path], out: Path, workers: int, dtype: torch.dtype) -> torch.Tensor:
    """Embed photos as a script with open_clip does."""
    loader = DataLoader(Photos(paths, preprocess), batch_size=BATCH, num_workers=workers)
    rows = []
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        for batch in loader:
            features = model.encode_image(batch).float()
            rows.append(features / features.norm(dim=-1, keepdim=True))
    embeddings = torch.cat(rows)
    save_file({"embeddings": embeddings}, out)
    return embeddings


def make_photos(folder: Path, count: int) -> list[Path]:
    """Write JPEGs of colored noise, which have about as many bytes as photos."""
    rng = np.random.default_rng(0)
    paths = []
    for at in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
            (500, 375), Image.Resampling.BICUBIC
        )
        grain = rng.integers(-20, 20, (375, 500, 3))
        pixels = np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)
        paths.append(folder / f"{at:05}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=90)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photos", type=int, default=2000, help="at most so many")
    parser.add_argument("--seconds", type=float, default=200, help="time for all runs")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--runs", type=int, default=3)
    words = parser.parse_args()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    space = c3core.load_space(f"clip:{words.model}/random", device="cpu", precision=words.precision)
    encoder: Any = space.encoder("image")
    model, preprocess = (
        encoder.clip.model,
        image_transform_v2(PreprocessCfg(**encoder.clip.preprocess), is_train=False),
    )
    dtype = getattr(torch, words.precision)
    times: dict[str, list[float]] = {"plain": [], "c3core": []}
    with tempfile.TemporaryDirectory() as scratch:
        paths = (
            sorted(words.folder.glob("*.jpg"))[: words.photos]
            if words.folder
            else make_photos(Path(scratch), words.photos)
        )
        if not paths:
            sys.exit(f"{words.folder} holds no .jpg files.")
        with progress_bar("embedding photos") as bar:
            for run in range(words.runs + 1):  # the first run is of one batch, and not measured
                measured = paths if run else paths[:BATCH]
                for side in ("plain", "c3core") if run % 2 else ("c3core", "plain"):
                    out, start = Path(scratch) / f"{side}-{run}", time.perf_counter()
                    if side == "plain":
                        expected = plain(model, preprocess, measured, out, words.workers, dtype)
                    else:
                        photos = map(str, measured)
                        store = embed(encoder, photos, out, batch_size=BATCH, workers=words.workers, quiet=True)
                    spent = time.perf_counter() - start
                    if run:
                        times[side].append(spent)
                    bar.advance(len(measured), run=run)
                if not run:
                    paths = paths[: max(1, int(words.seconds / (2 * words.runs) / (spent / len(measured))))]
        got = torch.cat([batch.embeddings for batch in store.batches()])
        difference = float((got - expected).abs().max())
    ratios = [ours / theirs for ours, theirs in zip(times["c3core"], times["plain"], strict=True)]
    figures = {"photos": len(paths), "model": words.model, "precision": words.precision, "workers": words.workers}
    seconds = {f"{side}_seconds": round(statistics.median(each), 2) for side, each in times.items()}
    ratio = {"ratio": round(statistics.median(ratios), 3), "ratios": [round(each, 3) for each in ratios]}
    print(json.dumps({**figures, **seconds, **ratio, "largest_difference": difference}))


if __name__ == "__main__":
    main()
