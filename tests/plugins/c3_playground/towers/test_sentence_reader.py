"""The text tower's network: it names what unseen sentences state, and is trained and written by one command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from c3_playground.towers import sentence_reader
from c3_playground.towers.sentence_reader import SentenceReader, draw_examples
from c3_playground.towers.sentences import WEIGHTS, SentenceNet, load_net, save_net
from c3_playground.world import World
from c3_playground.world.language.lexicon import COLORS, SHAPES
from c3_playground.world.language.statements import statements


def test_a_batch_says_which_statements_hold() -> None:
    reader = SentenceReader(["red", "ring"], ["red", "ring", "ring red"])
    ids, truth = reader.batch([("a red ring", ["ring", "red", "ring red", "on white"]), ("a ring", ["ring"])])
    assert ids.shape == (2, 3)
    assert truth.tolist() == [[1, 1, 1], [0, 1, 0]]


def test_sentences_come_from_every_modality_in_turn_and_each_once() -> None:
    examples = list(draw_examples(0, 30))
    assert examples[6:] == list(draw_examples(6, 24))
    assert len({sentence for sentence, _ in examples}) == 30
    assert all(stated for _, stated in examples)


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = SentenceNet(["red", "ring"]).half().float().eval()  # so that half precision loses nothing
    save_net(net, tmp_path / "net.safetensors")
    loaded = load_net(tmp_path / "net.safetensors").eval()
    ids = net.ids(["a red ring", "ring"])
    with torch.no_grad():
        assert torch.equal(loaded.ids(["a red ring", "ring"]), ids)
        assert torch.equal(loaded(ids), net(ids))


def test_training_writes_weights_that_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentence_reader.main(tmp_path, steps=2, seen=300, tested=20)
    assert "recall" in capsys.readouterr().out
    net = load_net(tmp_path / WEIGHTS.name).eval()
    assert "ring" in net.vocabulary
    ids = net.ids(["a red ring", "a star"])
    with torch.no_grad():
        assert net(ids).shape == (2, net.width)
        assert torch.allclose(net(ids)[1:], net(net.ids(["a star"])), atol=1e-5)


def test_a_linear_map_reads_which_shape_has_which_color_off_the_shipped_features() -> None:
    """Ridge regression on 1,500 sentences finds few false pairs in 300 others, and far more of the true than off an untrained net."""
    shipped = load_net()
    torch.manual_seed(0)
    (recall, precision), (untrained, _) = (pairs_read(net.eval()) for net in (shipped, SentenceNet(shipped.vocabulary)))
    assert precision >= 0.95
    assert recall >= 0.3
    assert recall >= 2 * untrained


def pairs_read(net: SentenceNet) -> tuple[float, float]:
    """Recall and precision."""
    pairs = [f"{shape} {color}" for shape in SHAPES for color in COLORS]
    sentences = World().sentences(1800, split="test", modality="image")
    with torch.no_grad():
        features = net(net.ids(sentences))
    said = [set(statements(sentence, "image")) for sentence in sentences]
    truth = torch.tensor([[float(pair in stated) for pair in pairs] for stated in said])
    x, y = features[:1500], truth[:1500]
    scaled, mean = (features - x.mean(0)) / x.std(0), y.mean(0)
    weights = torch.linalg.solve(
        scaled[:1500].T @ scaled[:1500] + 50 * torch.eye(net.width), scaled[:1500].T @ (y - mean)
    )
    found, right = (scaled[1500:] @ weights + mean) > 0.5, truth[1500:].bool()
    both = float((found & right).sum())
    return both / float(right.sum()), both / max(float(found.sum()), 1)
