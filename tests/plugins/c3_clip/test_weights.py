"""Names, files of weights, fingerprints, licenses, and what goes wrong with them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

import c3core
from c3_clip.naming import Name, parse
from c3core import C3Error, Space
from c3core.embedding.embedder import embed

PICTURE = np.random.default_rng(3).integers(0, 256, (70, 50, 3), dtype=np.uint8)


def both(space: Space) -> torch.Tensor:
    return torch.cat([space.encode(["a red circle"], "text"), space.encode([PICTURE], "image")])


# ---- names


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("ViT-B-32/openai", (Name("ViT-B-32", "openai"), {})),
        ("ViT-B-32/laion2b-s34b-b79k", (Name("ViT-B-32", "laion2b-s34b-b79k"), {})),  # as open_clip reads tags
        ("ViT-B-32/random?seed=4&frames=2", (Name("ViT-B-32", "random"), {"seed": 4, "frames": 2})),
        ("hf-hub:org/some.name-1", (Name("hf-hub:org/some.name-1", ""), {})),
    ],
)
def test_names_are_read(argument: str, expected: Any) -> None:
    assert parse(argument) == expected


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("", "write clip:ViT-B-32/openai"),
        ("ViT-B-33/openai", "no model 'ViT-B-33': did you mean ViT-B-32"),
        ("ViT-B-32/opena1", "no weights 'opena1': did you mean openai"),
        ("ViT-B-32", "needs weights: a tag .openai, .*, a file or random"),
        ("ViT-B-32//nowhere/weights.safetensors", "no such file"),
        ("ViT-B-32/weights.pt", "no such file"),
        ("ViT-B-32//", "is a directory"),
        ("hf-hub:alone", "names no model of a hub"),
        ("local-dir:/nowhere", "no open_clip_config.json"),
        ("nowhere.json/random", "no such file"),
        ("ViT-B-32/random?frames=0", "frames 1 or more"),
    ],
)
def test_what_no_name_means_is_one_clear_error(argument: str, what: str) -> None:
    with pytest.raises(C3Error, match=what):
        c3core.load_space(f"clip:{argument}")


def test_options_are_checked(folder: Path) -> None:
    with pytest.raises(C3Error, match="did you mean seed"):
        c3core.load_space(f"clip:{folder}/tiny.json/random", sead=1)
    with pytest.raises(C3Error, match="seed must be 0 or more"):
        c3core.load_space(f"clip:{folder}/tiny.json/random", seed=-1)


def test_the_model_is_loaded_when_first_asked_for(folder: Path) -> None:
    space = c3core.load_space(f"clip:{folder}/tiny.json/random")
    assert (space.dim, space.modalities) == (32, ("text", "image", "video"))
    assert space.encoder("image").clip is space.encoder("text").clip is space.encoder("video").image.clip


# ---- weights


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "tiny.pt", "tiny.bin"])
def test_the_same_weights_are_the_same_whatever_the_file(folder: Path, file: str) -> None:
    whole, space = (
        c3core.load_space(f"clip:local-dir:{folder}"),
        c3core.load_space(f"clip:{folder}/tiny.json/{folder}/{file}"),
    )
    assert torch.equal(both(space), both(whole))
    for modality in space.modalities:
        assert space.encoder(modality).fingerprint == whole.encoder(modality).fingerprint


def test_a_file_of_a_shipped_model(tmp_path: Path) -> None:
    """ViT-S-32-alt is among the smallest that open_clip ships; half precision gives the same as plain open_clip too."""
    torch.manual_seed(1)
    model = open_clip.create_model("ViT-S-32-alt").half()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, tmp_path / "small.safetensors")
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-S-32-alt", str(tmp_path / "small.safetensors"))
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(c3core.media.ImageReader().read(PICTURE))[None])
    space = c3core.load_space(f"clip:ViT-S-32-alt/{tmp_path}/small.safetensors")
    torch.testing.assert_close(space.encode([PICTURE], "image"), expected / expected.norm(), rtol=0, atol=1e-5)
    assert space.spec == f"clip:ViT-S-32-alt/{tmp_path}/small.safetensors"


def test_random_weights_are_open_clips_own_and_their_seed_counts(folder: Path) -> None:
    state = torch.random.get_rng_state()
    spaces = [c3core.load_space(f"clip:{folder}/tiny.json/random", seed=seed) for seed in (7, 7, 8)]
    seven, again, eight = (both(space) for space in spaces)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(seven, again)
    assert (seven - eight).abs().max() > 0.01
    torch.testing.assert_close(
        seven, both(c3core.load_space(f"clip:local-dir:{folder}"))
    )  # made by open_clip under seed 7
    assert spaces[0].encoder("image").fingerprint != spaces[2].encoder("image").fingerprint
    reloaded = c3core.load_space(spaces[0].spec)
    assert reloaded.spec.endswith("?seed=7")
    assert torch.equal(both(reloaded), seven)


def test_fingerprints_are_of_weights_pixels_and_frames(folder: Path, tmp_path: Path) -> None:
    def prints(config: dict[str, Any], weights: Path = folder / "tiny.pt", **options: Any) -> dict[str, str]:
        (tmp_path / "other.json").write_text(json.dumps(config))
        space = c3core.load_space(f"clip:{tmp_path}/other.json/{weights}", **options)
        return {modality: space.encoder(modality).fingerprint for modality in space.modalities}

    config = json.loads((folder / "tiny.json").read_text())
    base = prints(config)
    assert len(set(base.values())) == 3
    assert prints(config, precision="bfloat16") == base
    other = {**config, "preprocess_cfg": {**config["preprocess_cfg"], "mean": [0.4, 0.5, 0.46]}}
    assert {name for name, value in prints(other).items() if value != base[name]} == {"image", "video"}
    assert {name for name, value in prints(config, frames=5).items() if value != base[name]} == {"video"}
    quick = {**config, "model_cfg": {**config["model_cfg"], "quick_gelu": True}}
    assert not set(prints(quick).values()) & set(base.values())
    weights = load_file(folder / "open_clip_model.safetensors")
    weights["token_embedding.weight"][5, 5] += 1e-3
    save_file(weights, tmp_path / "changed.safetensors")
    changed = prints(config, tmp_path / "changed.safetensors")
    assert {name for name, value in changed.items() if value != base[name]} == {"text"}


def test_licenses() -> None:
    from c3_clip.weights import _license

    assert _license(Name("ViT-B-32", "openai")) == "MIT"
    assert _license(Name("ViT-B-32", "laion2b_e16")).startswith("unknown: see the model's page")
    assert _license(Name("hf-hub:org/name", "")).startswith("unknown")
    assert _license(Name("ViT-B-32", "random")) == "own"


# ---- files that are not what they should be


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('code of a file ran')",))


def wrong_files(folder: Path) -> dict[str, Path]:
    weights = torch.load(folder / "tiny.pt", weights_only=True)
    made = {name: folder / f"{name}.{suffix}" for name, suffix in
            {"text": "safetensors", "cut": "safetensors", "code": "pt", "script": "pt", "list": "pt", "some": "pt", "named": "txt"}.items()}  # fmt: skip
    made["text"].write_text("no weights")
    whole = (folder / "open_clip_model.safetensors").read_bytes()
    made["cut"].write_bytes(whole[: len(whole) // 2])
    made["code"].write_bytes(pickle.dumps({"state_dict": Evil()}))
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(made["script"]))
    torch.save([1, 2, 3], made["list"])
    torch.save({name: value for name, value in weights.items() if name.startswith("visual.")}, made["some"])
    made["named"].write_bytes(whole)
    return made


@pytest.mark.filterwarnings("ignore")  # torch: that TorchScript is old
@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("text", "cannot be read as weights"),
        ("cut", "cannot be read as weights"),
        ("code", "cannot be read as weights"),
        ("script", "TorchScript archive"),
        ("list", "no tensors by name"),
        ("some", "holds another model than .*tiny.json.*: Missing key"),
        ("named", "is no file of weights: one of .safetensors"),
    ],
)
def test_a_file_of_another_kind_is_one_clear_error(folder: Path, file: str, what: str) -> None:
    path = wrong_files(folder)[file]
    with pytest.raises(C3Error, match=what) as caught:
        c3core.load_space(f"clip:{folder}/tiny.json/{path}").encoder("image")
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vision_cfg", {"image_size": 64}),  # open_clip would stretch the positions of these two, in silence
        ("text_cfg", {"context_length": 32}),
        ("vision_cfg", {"width": 96}),
        ("vision_cfg", {"layers": 3}),
    ],
)
def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path, part: str, change: dict[str, int]) -> None:
    config = json.loads((folder / "tiny.json").read_text())
    config["model_cfg"][part] |= change
    (tmp_path / "other.json").write_text(json.dumps(config))
    for file in ("tiny.pt", "tiny.bin", "open_clip_model.safetensors"):
        with pytest.raises(C3Error, match="holds another model than"):
            c3core.load_space(f"clip:{tmp_path}/other.json/{folder}/{file}").encoder("text")


@pytest.mark.parametrize(
    "text", ["[1]", "{}", '{"model_cfg": 3}', "{", '{"embed_dim": 4, "vision_cfg": {}, "text_cfg": {"width": "x"}}']
)
def test_a_config_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(C3Error, match="odd.json"):
        c3core.load_space(f"clip:{tmp_path}/odd.json/random").encoder("image")


def test_a_folder_without_weights(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    with pytest.raises(C3Error, match="cannot be loaded: Required pretrained weights"):
        c3core.load_space(f"clip:local-dir:{tmp_path}").encoder("image")


HUB = """
import c3core, warnings
for name in ("hf-hub:org/name", "ViT-B-32/openai"):
    try:
        c3core.load_space(f"clip:{name}").encoder("image")
    except c3core.C3Error as error:
        print(error)
"""


def test_a_hub_that_cannot_be_reached_is_one_clear_error(tmp_path: Path) -> None:
    """In a process of its own that may not use the network; the warning about quick GELU comes before the weights do."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PATH": "",
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", HUB], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    first, second = done.stdout.splitlines()
    assert "the description of hf-hub:org/name cannot be had" in first
    assert "clip:ViT-B-32/openai cannot be loaded" in second
    assert "the weights openai need quick GELU, which ViT-B-32 lacks" in done.stderr


# ---- quick GELU


@pytest.fixture
def tagged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model under the name of a shipped one, with a tag whose weights are the file in the folder."""
    config = json.loads((folder / "tiny.json").read_text())["model_cfg"]
    for name, more in (("ViT-B-32", {}), ("ViT-B-32-quickgelu", {"quick_gelu": True})):
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, {**config, **more})
        tags = open_clip.pretrained._PRETRAINED[name]
        monkeypatch.setitem(tags, "openai", {**tags["openai"], "file": str(folder / "open_clip_model.safetensors")})


@pytest.mark.usefixtures("tagged")
def test_openai_weights_get_quick_gelu_and_that_is_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = both(c3core.load_space("clip:ViT-B-32-quickgelu/openai"))
    space = c3core.load_space("clip:ViT-B-32/openai")
    with pytest.warns(UserWarning, match="the weights openai need quick GELU, which ViT-B-32 lacks: it is used"):
        space.encoder("image")
    assert torch.equal(both(space), right)
    assert space.encoder("image").license == "MIT"
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", "openai")
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(c3core.media.ImageReader().read(PICTURE))[None])
    torch.testing.assert_close(right[1:], expected / expected.norm(), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("tagged")
def test_a_file_that_may_be_openais_is_warned_of(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "open_clip_model.safetensors")
    named, half = tmp_path / "openai-b32.safetensors", tmp_path / "b32.safetensors"
    save_file(weights, named)
    save_file({name: value.half() for name, value in weights.items()}, half)
    for path in (named, half):
        with pytest.warns(UserWarning, match=f"by OpenAI, they need quick GELU: write clip:ViT-B-32-quickgelu/{path}"):
            c3core.load_space(f"clip:ViT-B-32/{path}").encoder("image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c3core.load_space(f"clip:ViT-B-32-quickgelu/{named}").encoder("image")
        c3core.load_space(f"clip:ViT-B-32/{folder}/open_clip_model.safetensors").encoder("image")


def test_so_is_one_with_a_description_of_ones_own(folder: Path, tmp_path: Path) -> None:
    weights = {name: value.half() for name, value in load_file(folder / "open_clip_model.safetensors").items()}
    described = json.loads((folder / "tiny.json").read_text())
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    for quick in (False, True):
        described["model_cfg"]["quick_gelu"] = quick
        for name in ("open_clip_config.json", "tiny.json"):
            (tmp_path / name).write_text(json.dumps(described))
        for spec in (f"clip:local-dir:{tmp_path}", f"clip:{tmp_path}/tiny.json/{tmp_path}/open_clip_model.safetensors"):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                c3core.load_space(spec).encoder("image")
            assert any('set "quick_gelu": true' in str(one.message) for one in said) is not quick


def test_a_file_for_a_model_with_pixels_of_its_own_is_warned_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((folder / "tiny.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16-SigLIP", config)
    with pytest.warns(UserWarning, match="take pictures otherwise than open_clip does for a file"):
        c3core.load_space(f"clip:ViT-B-16-SigLIP/{folder}/open_clip_model.safetensors").encoder("image")


# ---- through the core


def test_a_folder_of_pictures_becomes_a_store(folder: Path, pictures: list[Path], tmp_path: Path) -> None:
    """With workers, which must not need open_clip; a bad file stands beside the good."""
    (tmp_path / "broken.jpg").write_bytes(pictures[0].read_bytes()[:500])
    encoder = c3core.load_space(f"clip:local-dir:{folder}").encoder("image")
    sources = [*map(str, pictures), str(tmp_path / "broken.jpg")]
    store = embed(encoder, sources, tmp_path / "store", batch_size=8, workers=1, quiet=True)
    assert len(store) == len(pictures)
    rows = torch.cat([batch.embeddings for batch in store.batches()])
    torch.testing.assert_close(rows, encoder.encode(pictures), rtol=0, atol=1e-5)
