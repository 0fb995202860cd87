"""`c3 convert` of pickled modules: the tensors come out, and nothing that the file names is imported or run."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from c3_convert.weights import convert_weights
from c3core.errors import C3Error, CorruptFile

SOURCE = "raise RuntimeError('the source code in the file was run')"


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Any:
    raise AssertionError("called while reading")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class EasyDict(dict[str, Any]):
    __module__ = "dnnlib.util"


class Persistent(nn.Module):
    """Pickled as StyleGAN2-ADA's persistent classes are: with source code, and its state in a dict."""

    def __reduce__(self) -> Any:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": type(self).__name__,
            "state": dict(self.__dict__),
        }
        return _reconstruct_persistent_obj, (meta,), None


class Layer(Persistent):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.register_buffer("filter", torch.randn(4, 4).half().t())  # not contiguous
        self.register_buffer("left_out", torch.zeros(1), persistent=False)
        self.bias = None
        self.settings, self.constant = EasyDict(lr_multiplier=0.01), np.float32(0.5)


class Network(Persistent):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Layer(3, 5), Layer(5, 2)
        self.plain = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2))  # whose classes are not persistent
        self.scale = nn.Parameter(torch.tensor(2.0))


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose classes belong to packages that are not installed, as LAFITE's best-fid.pkl."""
    with monkeypatch.context() as patch:
        for made in (_reconstruct_persistent_obj, EasyDict):
            for package in (made.__module__.partition(".")[0], made.__module__):
                patch.setitem(sys.modules, package, ModuleType(package))
            setattr(sys.modules[made.__module__], made.__name__, made)
        torch.manual_seed(0)
        networks = {"G": Network(), "G_ema": Network().eval().requires_grad_(False)}
        content = {**networks, "training_set_kwargs": EasyDict(path="data.zip", size=[1, 2]), "augment_pipe": None}
        for protocol in (3, 4):  # those of Python 3.7 and later
            (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps(content, protocol))
        expected = {f"{k}.{name}": t for k, net in networks.items() for name, t in tensors(net)}
        torch.save(expected, tmp_path / "expected.pt")
    return tmp_path


def tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from ((name, parameter.detach()) for name, parameter in module.named_parameters())
    yield from module.named_buffers()


@pytest.mark.parametrize("protocol", [3, 4])
def test_persistent_modules_give_their_tensors(saved: Path, protocol: int) -> None:
    expected = torch.load(saved / "expected.pt", weights_only=True)
    assert convert_weights(saved / f"{protocol}.pkl", saved / "out.safetensors") == len(expected) == 2 * (3 * 2 + 7 + 1)
    found = load_file(saved / "out.safetensors")
    assert found.keys() == expected.keys()
    assert "G_ema.second.weight" in found
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_nothing_in_the_file_is_imported(saved: Path) -> None:
    before = set(sys.modules)
    convert_weights(saved / "4.pkl", saved / "out.safetensors")
    assert not {name for name in set(sys.modules) - before if name.startswith(("torch_utils", "dnnlib"))}


class Evil:
    """Touches a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_what_a_file_calls_is_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    content = pickle.dumps({"weight": torch.ones(2), "evil": Evil(sign)})
    (tmp_path / "evil.pkl").write_bytes(content)
    assert convert_weights(tmp_path / "evil.pkl", tmp_path / "out.safetensors") == 1
    assert not sign.exists()
    pickle.loads(content)  # the file does so if it is unpickled
    assert sign.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'touch SIGN'\ntR.",
        b"(S'touch SIGN'\nios\nsystem\n.",
        b"\x80\x02cos\nsystem\nX\x0a\x00\x00\x00touch SIGN\x85R.",
        b'c__builtin__\nexec\n(S\'open("SIGN", "w")\'\ntR.',
        b"cc3_convert.pickled\n_Object\n(dS'__init__'\ncos\nsystem\nsb0S'touch SIGN'\n.",  # would change the reader
        b"ctorch.storage\n_load_from_bytes\n(cos\nsystem\ntR.",
        b"\x82\x01.",
        b"(lp0\ng0\na.",
        b"}q\x00U\x01aq\x01h\x00s.",  # a dict in itself
        b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n(S'x'\ntRI0\n(I9\nt(I1\ntI0\n}tR.",
    ],
)
def test_programs_of_a_pickle_are_not_run(program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.pkl").write_bytes(program)
    with pytest.raises(C3Error):
        convert_weights("evil.pkl", "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pkl"]


def test_a_tensor_beyond_its_memory_is_refused(tmp_path: Path) -> None:
    tensor = torch.ones(4)
    rebuild, (storage, *_) = tensor.__reduce_ex__(2)

    class Beyond:
        def __reduce__(self) -> Any:
            return rebuild, (storage, 2, (1000,), (1,), False, OrderedDict())

    (tmp_path / "beyond.pkl").write_bytes(pickle.dumps({"weight": Beyond()}))
    with pytest.raises(CorruptFile, match="holds no plain weights"):
        convert_weights(tmp_path / "beyond.pkl", tmp_path / "out.safetensors")


def test_a_truncated_file_is_refused(saved: Path) -> None:
    content = (saved / "4.pkl").read_bytes()
    (saved / "cut.pkl").write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptFile, match="holds no plain weights"):
        convert_weights(saved / "cut.pkl", saved / "out.safetensors")
