"""A diffusion decoder that is trained further and keeps what it found where there is more noise than `keep_above`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from c3_diffusion import flow
from c3_diffusion.decoder import KEPT_WEIGHT, DiffusionDecoder
from c3core.errors import C3Error
from tests.helpers.small_painters import conditions, made

LEAST, MOST = 1e-6, 1 - 1e-6


def further(keep_above: float) -> DiffusionDecoder:
    decoder = made(drop=0.5)
    decoder.reconfigure({"keep_above": keep_above})
    return decoder.train()


def pictures(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def test_at_first_nothing_is_left_to_learn_of_what_is_kept() -> None:
    decoder = further(LEAST)
    assert decoder.loss(conditions(8), pictures(8)) < 1e-9


def test_where_nothing_is_kept_the_loss_is_the_usual_one() -> None:
    kept, usual = further(MOST), made(drop=0.5).train()
    losses = []
    for decoder in (kept, usual):
        torch.manual_seed(0)
        losses.append(decoder.loss(conditions(8), pictures(8)))
    assert torch.equal(*losses)


def test_what_is_kept_is_what_was_found_before() -> None:
    """Against the formula, with the same draws, after the weights have changed."""
    decoder, before = further(0.6), made(drop=0.5).painter
    assert decoder.painter is not None
    assert before is not None
    with torch.no_grad():
        for parameter in decoder.painter.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    rows, batch = conditions(12), pictures(12)
    torch.manual_seed(0)
    loss = decoder.loss(rows, batch)
    torch.manual_seed(0)
    true = batch / 127.5 - 1
    noise = torch.randn(true.shape)
    time = flow.noise_levels(12, decoder.settings.time_mean, decoder.settings.time_std, None, torch.device("cpu"))
    hidden, seen = torch.rand(12) < 0.5, flow.noisy(true, noise, time)
    assert 0 < int((time > 0.6).sum()) < 12
    expected = []
    with torch.no_grad():
        found, old = (painter(seen, time, rows, hidden) for painter in (decoder.painter, before))
    for k in range(12):
        target, weight = (old, KEPT_WEIGHT) if time[k] > 0.6 else (true, 1.0)
        expected.append(weight * mse_loss(found[k], target[k]) / time[k].clamp_min(flow.LEAST_TIME) ** 2)
    torch.testing.assert_close(loss, torch.stack(expected).mean(), rtol=1e-4, atol=1e-6)


def test_what_was_found_before_is_neither_trained_nor_saved() -> None:
    decoder = further(0.5)
    assert decoder.state_dict().keys() == made().state_dict().keys()
    before = [parameter.clone() for parameter in decoder.kept_painter.parameters()]
    optimizer = torch.optim.SGD(decoder.objectives()[0].parameters, lr=0.1)
    torch.manual_seed(0)
    decoder.loss(conditions(64), pictures(64)).backward()  # of which some rows are not kept
    optimizer.step()
    assert all(torch.equal(*pair) for pair in zip(before, decoder.kept_painter.parameters(), strict=True))
    assert not all(torch.equal(*pair) for pair in zip(before, decoder.objectives()[0].parameters, strict=True))


def test_what_draws_is_what_is_kept() -> None:
    """The average, which the training goes on from, as after loading."""
    decoder = made(average=0.5)
    with torch.no_grad():
        for parameter in decoder.painter.parameters():
            parameter.add_(1)
    decoder.reconfigure({"keep_above": 0.5})
    for state in (decoder.kept_painter.state_dict(), decoder.painter.state_dict()):
        assert all(torch.equal(value, state[name]) for name, value in decoder.average.module.state_dict().items())


def test_near_the_picture_the_loss_stays_bounded() -> None:
    """Of noise levels about 1e-4, whose squares would divide."""
    assert made(time_mean=-9.0, time_std=0.01).train().loss(conditions(8), pictures(8)) < 10 / flow.LEAST_TIME**2


def test_a_refused_change_changes_nothing() -> None:
    decoder = DiffusionDecoder(4, size=8, widths=(8, 8), patch=1, device="cpu")
    with pytest.raises(C3Error):
        decoder.reconfigure({"keep_above": 0.5})
    assert decoder.settings.keep_above is None


def test_another_option_does_not_change_what_is_kept() -> None:
    decoder = further(0.5)
    before = decoder.kept_painter
    decoder.reconfigure({"average": 0.9})
    decoder.prepare([])
    assert decoder.kept_painter is before


def test_nothing_is_kept_after_none() -> None:
    decoder = further(LEAST)
    decoder.reconfigure({"keep_above": None})
    assert decoder.train().loss(conditions(8), pictures(8)) > 0


def test_a_saved_decoder_keeps_nothing(tmp_path: Path) -> None:
    further(LEAST).save(tmp_path)
    loaded = DiffusionDecoder.load(tmp_path, device="cpu")
    assert loaded.settings.keep_above is None
    assert loaded.train().loss(conditions(8), pictures(8)) > 1e-3


def test_a_new_decoder_has_nothing_to_keep() -> None:
    with pytest.raises(C3Error, match="keep_above is for a decoder that is trained further"):
        made(keep_above=0.5)


@pytest.mark.parametrize("look", ["watch_drawn", "watch_sampled"])
def test_what_is_kept_is_not_to_be_changed_by_looks(look: str) -> None:
    with pytest.raises(C3Error, match="set these to 0"):
        made(**{look: 1.0}).reconfigure({"keep_above": 0.5})
