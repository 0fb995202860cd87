"""The model against upstream's own forward pass, its weights, and the names that lead to them."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

if find_spec("imagebind") is None:
    pytest.skip("needs the extra imagebind", allow_module_level=True)
pytest.importorskip("librosa", reason="needs the extra audio")
pytest.importorskip("av", reason="needs the extra video")

from c3_convert.weights import convert_weights
from c3_imagebind.sizes import SIZES, Size
from c3_imagebind.space import load
from c3_imagebind.upstream import NoDraws, build, tokens_of, upstream_module
from c3core import load_space
from c3core.errors import C3Error, CorruptFile, WrongCall

TINY = SIZES["tiny"]
RNG = np.random.default_rng(0)
SOURCES = {
    "text": ["a red circle", "two dogs"],
    "image": [RNG.integers(0, 256, (50, 70, 3), dtype=np.uint8) for _ in range(2)],
    "audio": [(RNG.normal(size=size), 16000) for size in (9000, 50000)],
    "video": [(RNG.integers(0, 256, (size, 30, 40, 3), dtype=np.uint8), 10.0) for size in (9, 30)],
    "depth": [RNG.random((40, 50)) for _ in range(2)],
    "thermal": [RNG.random((40, 50)) for _ in range(2)],
    "imu": [RNG.normal(size=(6, 2000)) for _ in range(2)],
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    """A checkpoint as upstream would publish it of a tiny model, from another seed than ours."""
    torch.manual_seed(7)
    model = upstream_module("imagebind_model").ImageBindModel(**TINY.model_dump())
    path = tmp_path_factory.mktemp("weights") / "imagebind_tiny.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.mark.parametrize("modality", SOURCES)
def test_same_weights_same_output_as_upstreams_model(modality, official):
    upstream = upstream_module("imagebind_model").ImageBindModel(**TINY.model_dump())
    upstream.load_state_dict(torch.load(official, weights_only=True))
    upstream.eval()
    encoder = load(f"tiny/{official}").encoder(modality)
    items = [encoder.reader().read(source) for source in SOURCES[modality]]
    batch = tokens_of(items) if modality == "text" else torch.stack(items)
    name = {"image": "vision", "video": "vision"}.get(modality, modality)
    with torch.no_grad():
        expected = upstream({name: batch})[name]
    torch.testing.assert_close(encoder.embed(items), expected, rtol=0, atol=1e-5)
    unit = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(encoder.encode(SOURCES[modality]), unit, rtol=0, atol=1e-5)


def test_clips_are_averaged_before_they_are_normalised(official):
    encoder = load(f"tiny/{official}").encoder("video")
    item = encoder.reader().read(SOURCES["video"][1])
    # Each clip alone is a video of one clip: upstream's outputs are unit vectors.
    clips = torch.cat([encoder.embed([clip.unsqueeze(0)]) for clip in item])
    torch.testing.assert_close(clips.norm(dim=1), torch.ones(15))
    assert encoder.embed([item]).norm() < 0.9999
    torch.testing.assert_close(encoder.embed([item])[0], clips.mean(0), rtol=0, atol=1e-5)


def test_many_items_are_embedded_in_parts():
    encoder = load("tiny/random").encoder("audio")
    items = [encoder.reader().read((RNG.normal(size=8000), 16000)) for _ in range(23)]
    whole = encoder.model({"audio": torch.stack(items)})["audio"]
    torch.testing.assert_close(encoder.embed(items), whole, rtol=0, atol=1e-4)


def test_tokens_are_clips():
    tokens = tokens_of(["a photo of a cat", "word " * 100])
    assert tokens.shape == (2, 77)
    assert tokens[0].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407] + [0] * 70
    assert tokens[1, 0] == 49406
    assert tokens[1, -1] == 49407


def test_a_text_that_is_cut_is_warned_of_once(recwarn):
    encoder = load("tiny/random").encoder("text")
    encoder.encode(["dog " * 75])  # just fits
    assert not [warning for warning in recwarn if "only its beginning" in str(warning.message)]
    with pytest.warns(UserWarning, match="longer than 77 tokens"):
        encoder.encode(["dog", "dog " * 76])
    recwarn.clear()
    encoder.encode(["dog " * 76])
    assert not recwarn.list


def test_huge_is_upstreams_huge():
    # Without draws the memory of a billion weights is never touched.
    ours = build(SIZES["huge"], seed=None).state_dict()
    upstream = upstream_module("imagebind_model")
    with NoDraws():
        theirs = upstream.imagebind_huge().state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    assert SIZES["huge"].out_embed_dim == 1024


def test_the_defaults_of_a_size_are_upstreams():
    ours, theirs = build(Size(), seed=None).state_dict(), None
    with NoDraws():
        theirs = upstream_module("imagebind_model").ImageBindModel().state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}


def test_converted_weights_are_the_same_encoder(official, tmp_path):
    convert_weights(official, tmp_path / "tiny.safetensors")
    one, other = (load(f"tiny/{path}").encoder("audio") for path in (official, tmp_path / "tiny.safetensors"))
    assert one.fingerprint == other.fingerprint
    assert torch.equal(one.encode(SOURCES["audio"]), other.encode(SOURCES["audio"]))


def test_old_torch_files_and_half_precision_load_too(official, tmp_path):
    state = torch.load(official, weights_only=True)
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({name: value.half() for name, value in state.items()}, tmp_path / "half.pth")
    expected = load(f"tiny/{official}").encode(SOURCES["text"], "text")
    assert torch.equal(load(f"tiny/{tmp_path / 'old.pth'}").encode(SOURCES["text"], "text"), expected)
    half = load(f"tiny/{tmp_path / 'half.pth'}").encode(SOURCES["text"], "text")
    torch.testing.assert_close(half, expected, rtol=0, atol=5e-3)


def test_random_weights_come_from_the_seed_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = load("tiny/random").encoder("text")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert load("tiny/random").encoder("text").fingerprint == one.fingerprint
    other = load("tiny/random", seed=3)
    assert other.spec == "imagebind:tiny/random?seed=3"
    assert other.encoder("text").fingerprint != one.fingerprint
    assert load_space(other.spec).encoder("text").fingerprint == other.encoder("text").fingerprint


def test_the_fingerprint_is_of_the_modality():
    space = load("tiny/random")
    prints = {modality: space.encoder(modality).fingerprint for modality in SOURCES}
    assert len(set(prints.values())) == len(prints)


def test_nothing_is_trained_and_the_model_is_shared():
    space = load("tiny/random")
    encoders = [space.encoder(modality) for modality in ("image", "video", "audio")]
    assert len({id(encoder.model) for encoder in encoders}) == 1
    assert not any(parameter.requires_grad for parameter in encoders[0].model.parameters())
    assert not encoders[0].model.training


def test_bfloat16_is_near(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    exact = load("tiny/random").encode(SOURCES["image"], "image")
    near = load("tiny/random", precision="bfloat16").encode(SOURCES["image"], "image")
    assert 0 < (exact - near).abs().max() < 2e-2


def test_a_processor_that_would_emulate_bfloat16_computes_in_float32(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert load("tiny/random", device="cpu", precision="bfloat16").encoder("text").dtype is torch.float32


def test_pictures_of_a_decoder_get_a_gradient():
    space = load("tiny/random")
    raw = torch.rand(2, 3, 60, 80, requires_grad=True)
    space.encoder("image").embed_raw(raw).sum().backward()
    assert raw.grad.abs().sum() > 0
    with pytest.raises(C3Error, match="gives no gradient"):
        space.encoder("audio").embed_raw(raw)


# ---- names


def test_a_size_from_a_file(tmp_path, monkeypatch):
    values = TINY.model_dump() | {"out_embed_dim": 48, "audio_num_heads": 4}
    (tmp_path / "small.json").write_text(json.dumps(values))
    monkeypatch.chdir(tmp_path)
    space = load("small.json/random")
    assert space.dim == 48
    assert space.encode(SOURCES["audio"], "audio").shape == (2, 48)
    monkeypatch.chdir("/")
    assert load_space(space.spec).encoder("text").fingerprint == space.encoder("text").fingerprint


@pytest.mark.parametrize(
    "values",
    [{"audio_embed_dimm": 3}, {"text_embed_dim": 30, "text_num_heads": 4}, {"text_embed_dim": 0}, [1]],
)
def test_a_wrong_size_is_refused(values, tmp_path):
    (tmp_path / "size.json").write_text(json.dumps(values))
    with pytest.raises(WrongCall):
        load(f"{tmp_path}/size.json/random")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "the size is missing"),
        ("hug", "did you mean huge"),
        ("hug/random", "did you mean huge"),
        ("tiny", "the weights are missing"),
        ("tiny/nowhere.pth", "no file nowhere.pth"),
        ("huge//nowhere/imagebind_huge.pth", "no file /nowhere/imagebind_huge.pth"),
        ("nowhere.json/random", "nowhere.json is missing"),
        ("/random", "the size is missing"),
    ],
)
def test_a_wrong_name_says_what_is_right(argument, message):
    with pytest.raises(C3Error, match=message):
        load(argument)


def test_huge_alone_means_the_official_address():
    space = load("huge")
    assert (space.spec, space.dim) == ("imagebind:huge", 1024)


def test_weights_of_another_size_are_refused(official, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(TINY.model_dump() | {"out_embed_dim": 48}))
    with pytest.raises(CorruptFile, match="does not fit this size"):
        load(f"{tmp_path}/a.json/{official}").encoder("text")


def test_files_that_are_no_weights_are_refused(official, tmp_path, capsys):
    class Code:
        def __reduce__(self):
            return (print, ("this must not run",))

    torch.save({"a": Code()}, tmp_path / "code.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    (tmp_path / "half.pth").write_bytes(official.read_bytes()[:50_000])
    (tmp_path / "text.safetensors").write_text("no tensors")
    for name in ("code.pth", "list.pth", "half.pth", "text.safetensors"):
        with pytest.raises(CorruptFile, match=name):
            load(f"tiny/{tmp_path / name}").encoder("text")
    assert capsys.readouterr().out == ""


def test_a_warning_names_the_license_when_official_weights_load(official, monkeypatch):
    monkeypatch.setitem(SIZES, "huge", TINY)  # as if the official model were tiny
    with pytest.warns(UserWarning, match="CC-BY-NC-SA-4.0"):
        encoder = load(f"huge/{official}").encoder("text")
    assert encoder.license == "CC-BY-NC-SA-4.0"


def test_the_license_of_other_weights(official, recwarn):
    (own, other) = (load(f"tiny/{weights}").encoder("text").license for weights in ("random", official))
    assert (own, other) == ("own", "unknown")
    assert not [warning for warning in recwarn if "CC-BY" in str(warning.message)]


# ---- the address


@pytest.fixture
def site(official, monkeypatch, tmp_path):
    """A server with the checkpoint, and one answer that breaks off; torch's folder is a temporary one."""
    content = official.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/gone.pth":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.path == "/whole.pth" else content[: len(content) // 2])

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_address_is_downloaded_once(site, official, tmp_path):
    space = load(f"tiny/{site}/whole.pth")
    assert space.encoder("text").fingerprint == load(f"tiny/{official}").encoder("text").fingerprint
    (kept,) = (tmp_path / "torch" / "hub" / "checkpoints").glob("whole-*.pth")
    assert kept.read_bytes() == official.read_bytes()
    changed = kept.stat().st_mtime_ns
    load(f"tiny/{site}/whole.pth").encoder("text")
    assert kept.stat().st_mtime_ns == changed


def test_a_file_of_the_same_name_at_another_address_is_another(site):
    load(f"tiny/{site}/whole.pth").encoder("text")
    with pytest.raises(C3Error, match="broke off"):  # so it was asked for
        load(f"tiny/{site}/elsewhere/whole.pth").encoder("text")


@pytest.mark.parametrize(("name", "message"), [("half.pth", "broke off"), ("gone.pth", "404")])
def test_a_failed_download_leaves_nothing(name, message, site, tmp_path):
    with pytest.raises(C3Error, match=message):
        load(f"tiny/{site}/{name}").encoder("text")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_address_that_cannot_be_reached(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(C3Error, match="cannot be reached"):
        load("tiny/http://127.0.0.1:9/a.pth").encoder("text")


# ---- what is imported


def in_a_fresh_process(code: str) -> str:
    path = [entry for entry in sys.path if entry]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_only_the_model_of_upstreams_package_is_imported():
    printed = in_a_fresh_process(
        "from c3_imagebind.space import load\n"
        "load('tiny/random').encode(['a'], 'text')\n"
        "names = ('imagebind.data', 'pytorchvideo', 'torchaudio', 'pkg_resources')\n"
        "print([name for name in names if name in sys.modules], 'imagebind.models.imagebind_model' in sys.modules)"
    )
    assert printed.split("\n")[0] == "[] True"


def test_a_missing_extra_names_its_install_line():
    printed = in_a_fresh_process(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "import c3core.registry.registration as registry\n"
        "registry.find_spec = lambda name: None if name == 'imagebind' else found(name)\n"
        "from c3core import load_space\n"
        "from c3core.errors import C3Error\n"
        "try:\n    load_space('imagebind:tiny/random')\nexcept C3Error as error:\n    print(error)"
    )
    assert 'pip install "c3core[imagebind]"' in printed
