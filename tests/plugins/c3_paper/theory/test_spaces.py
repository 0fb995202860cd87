"""`collapse` and `cone` measure a space without training and the trained one on a table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from c3_paper.theory import collapse, cone
from c3_paper.theory.spaces import embed_both, untrained_name
from c3core import load_space, load_table
from c3core.errors import WrongCall

TABLE = "playground:image/test/40"


def test_each_distinct_item_is_embedded_once_in_both_spaces():
    untrained, trained = embed_both(table=TABLE, quiet=True)
    assert (untrained.name, trained.name) == ("playground:random", "playground")
    images = list({id(image): image for image in load_table(TABLE).column("image")}.values())
    assert len(images) == 40
    for found, name in ((untrained, "playground:random"), (trained, "playground")):
        torch.testing.assert_close(found.by_modality["image"], load_space(name).encode(images, "image"))


def test_a_random_space_is_measured_alone():
    (found,) = embed_both("playground:random?seed=3", table=TABLE, quiet=True)
    assert (found.kind, found.name) == ("untrained", "playground:random?seed=3")


def test_the_network_without_training_is_known_by_name_or_asked_for():
    assert untrained_name("playground", seed=2) == "playground:random?seed=2"
    assert untrained_name("clip:ViT-B-32/random") == untrained_name("clip:ViT-B-32/openai") == "clip:ViT-B-32/random"
    for other in ("imagebind", "folder/random"):
        with pytest.raises(WrongCall, match="--untrained"):
            untrained_name(other)


def test_a_table_must_have_a_column_that_the_space_takes(tmp_path):
    (tmp_path / "pairs.csv").write_text("smell\nroses\n")
    with pytest.raises(WrongCall, match="smell"):
        embed_both(table=str(tmp_path / "pairs.csv"), quiet=True)


def test_an_item_that_cannot_be_read_is_warned_of(tmp_path):
    (tmp_path / "pairs.csv").write_text("image,text\nnone.png,a red ring\nnone.png,a blue star\nother.png,\n")
    with pytest.warns(UserWarning, match="could not be embedded"), pytest.raises(WrongCall, match="larger table"):
        embed_both("playground:random", table=str(tmp_path / "pairs.csv"), quiet=True)


def test_effective_dimensions_are_numpys():
    found = collapse.study(table=TABLE, quiet=True)
    rows = embed_both(table=TABLE, quiet=True)[0].by_modality["text"].double().numpy()
    values = np.linalg.svd(np.cov(rows.T), compute_uv=False)
    expected = int(np.argmax(np.cumsum(values) / values.sum() >= 0.99)) + 1
    (row,) = [row for row in found.rows if row.figure.endswith("text, untrained")]
    assert (row.here, row.paper) == (expected, 230)
    np.testing.assert_allclose(found.curves["untrained"]["text"], values, atol=1e-12)
    assert any("Too few items of image" in note for note in found.notes)


def test_the_mean_cosine_is_that_of_all_pairs():
    rows = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    unit = (rows / rows.norm(dim=1, keepdim=True)).numpy()
    assert cone.mean_cosine(rows) == pytest.approx((unit @ unit.T)[np.triu_indices(20, 1)].mean())


def test_a_constant_coordinate_makes_a_cone():
    found = cone.study(table=TABLE, quiet=True)
    sphere, collapsed = (row.here for row in found.rows[:2])
    assert abs(sphere) < 0.01
    # Two of its directions are at random angles around the axis, so their mean cosine is E[cos]² of the axis' cosine.
    heights = cone.sphere_and_cone(0)[1][:, 2]
    assert (heights > 0).all()
    assert collapsed == pytest.approx(heights.mean().item() ** 2, abs=0.01)
    assert len(found.rows) == 6


@pytest.mark.parametrize("study", [collapse, cone])
def test_their_pictures_can_be_drawn(study):
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    assert len(study.study(table=TABLE, quiet=True).draw().axes) >= 2
