"""The diffusion decoder: what it learns, how it draws, what it keeps, what it refuses."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from c3_diffusion import flow
from c3_diffusion.decoder import DiffusionDecoder
from c3core.errors import C3Error
from c3core.media.image_decoder import to_pictures
from c3core.training.options import TrainingOptions
from c3core.training.task import TrainingTask
from c3core.training.trainer import train
from tests.helpers.output_encoders import FunctionEncoder
from tests.helpers.small_painters import SMALL, conditions, made, row_generators


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(decoder: DiffusionDecoder, rows: Tensor, *, seed: int = 0, **options: Any) -> np.ndarray[Any, Any]:
    return np.stack(decoder.generate(rows, {"steps": 3, **options}, generator=generator(seed)))


# ---- learning


def job(decoder: DiffusionDecoder) -> TrainingTask:
    colours = torch.tensor([[230, 20, 20], [20, 20, 230]], dtype=torch.uint8)
    known = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])

    def rows(epoch: int) -> Any:
        for _ in range(1000):
            yield torch.arange(32) % 2

    def batch(which: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return known[which], colours[which][:, :, None, None].expand(-1, -1, 8, 8).contiguous()

    decoder.output_encoder = FunctionEncoder(lambda pictures: pictures.mean(dim=(2, 3)))
    objectives = decoder.objectives()
    return TrainingTask(decoder, objectives, rows, batch, batches_per_epoch=1000, after_step=decoder.after_step)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> DiffusionDecoder:
    decoder = made()
    options = TrainingOptions(steps=150, learning_rate=3e-3, warmup_steps=5, save_steps=1000)
    train(job(decoder), options, tmp_path_factory.mktemp("run"), quiet=True)
    return decoder


def test_it_learns_which_condition_has_which_colour(learned: DiffusionDecoder) -> None:
    red, blue = drawn(learned, torch.eye(4)[:2], steps=8).reshape(2, -1, 3).mean(1)
    np.testing.assert_allclose(red, [230, 20, 20], atol=25)
    np.testing.assert_allclose(blue, [20, 20, 230], atol=25)


def test_without_guidance_from_the_condition_it_draws_either_colour(learned: DiffusionDecoder) -> None:
    pictures = drawn(learned, torch.eye(4)[:1].expand(40, 4), guidance=0, steps=8).reshape(40, -1, 3).mean(1)
    reds = (pictures[:, 0] > pictures[:, 2]).mean()
    assert 0.1 < reds < 0.9


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "rows": 8,
            "watch_weight": 0.1,
            "watch_drawn": 0.3,
            "watch_sampled": 0.2,
            "watch_noise": 0.1,
            "watch_shift": 1,
        },
        {"keep_above": 0.6},
    ],
)
def test_an_interrupted_training_ends_as_an_unbroken_one(tmp_path: Path, options: dict[str, Any]) -> None:
    more = options

    def trained(folder: Path, *, stop: int | None = None) -> DiffusionDecoder:
        tuned = {name: value for name, value in more.items() if name == "keep_above"}
        decoder = made(**{name: value for name, value in more.items() if name not in tuned})
        decoder.reconfigure(tuned)
        decoder.output_encoder = FunctionEncoder(lambda pictures: pictures.flatten(1)[:, :4])
        options = TrainingOptions(steps=8, warmup_steps=2, save_steps=3)
        work = job(decoder)
        if stop is not None:

            def after(step: int) -> None:
                decoder.after_step(step)
                if step == stop:
                    raise KeyboardInterrupt

            work.after_step = after
            with pytest.raises(KeyboardInterrupt):
                train(work, options, folder, quiet=True)
        else:
            train(work, options, folder, quiet=True)
        return decoder

    whole = trained(tmp_path / "whole")
    trained(tmp_path / "broken", stop=5)
    resumed = trained(tmp_path / "broken")
    state = resumed.state_dict()
    assert state.keys() == whole.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())


def test_a_checkpoint_of_another_size_is_refused(tmp_path: Path) -> None:
    train(job(made()), TrainingOptions(steps=1, warmup_steps=0), tmp_path, quiet=True)
    with pytest.raises(C3Error, match="another shape"):
        train(job(made(hidden=16)), TrainingOptions(steps=1, warmup_steps=0), tmp_path, quiet=True)


def test_the_average_follows_the_weights() -> None:
    decoder = made(average=0.5)
    painter, averaged = decoder.painter, decoder.average
    assert painter is not None
    assert averaged is not None
    weight, mean = painter.nothing, averaged.module.nothing
    decoder.after_step(1)
    expected = weight.detach().clone()
    for step, decay in ((2, 2 / 11), (3, 3 / 12), (4, 4 / 13)):  # (1 + n) / (10 + n) after n updates, while below 0.5
        with torch.no_grad():
            weight += 1
        decoder.after_step(step)
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(mean.detach(), expected)


def test_what_is_measured_in_eval_mode_is_the_average_under_the_same_noise() -> None:
    decoder = made()
    rows, batch = conditions(4), torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        first = decoder.loss(rows, batch)
        assert decoder.painter is not None
        decoder.painter.nothing += 1
        for parameter in decoder.painter.parameters():
            parameter *= 1.5
        assert torch.equal(decoder.loss(rows, batch), first)
        decoder.after_step(1)
        assert not torch.equal(decoder.loss(rows, batch), first)


def test_a_hidden_condition_is_not_seen() -> None:
    painter = made().painter
    assert painter is not None
    with torch.no_grad():
        for parameter in painter.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        x, t, hidden = torch.randn(1, 3, 8, 8).expand(2, -1, -1, -1), torch.full((2,), 0.5), torch.tensor([True, True])
        rows = conditions(2)
        same = painter(x, t, rows, hidden)
        torch.testing.assert_close(same[0], same[1])
        seen = painter(x, t, rows, ~hidden)
        assert not torch.allclose(seen[0], seen[1], atol=1e-4)
        torch.testing.assert_close(seen, painter(x, t, rows))


@pytest.mark.parametrize("closed", ["layout", "vector"])
def test_the_condition_comes_in_twice(closed: str) -> None:
    """As a vector beside the time and as a coarse map: with either closed, the other still tells."""
    painter = made().painter
    assert painter is not None
    with torch.no_grad():
        for parameter in painter.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        for parameter in getattr(painter, closed).parameters():
            parameter.zero_()
        x, t = torch.randn(1, 3, 8, 8).expand(2, -1, -1, -1), torch.full((2,), 0.5)
        seen = painter(x, t, conditions(2))
    assert not torch.allclose(seen[0], seen[1], atol=1e-4)


# ---- drawing


def test_a_row_does_not_depend_on_the_batch_size(learned: DiffusionDecoder) -> None:
    rows = conditions(5)
    whole = drawn(learned, rows).astype(int)
    for size in (1, 2, 3):
        assert np.abs(drawn(learned, rows, batch_size=size) - whole).max() <= 1
    source = generator()
    parts = [np.stack(learned.generate(part, {"steps": 3}, generator=source)) for part in rows.split(2)]
    assert np.abs(np.concatenate(parts) - whole).max() <= 1


def test_guidance_mixes_as_its_formula_says(learned: DiffusionDecoder) -> None:
    """After one step the picture is the network's guess, so that it can be mixed by hand."""
    rows, noise = (
        conditions(3),
        torch.stack([torch.randn(3, 8, 8, generator=own) for own in row_generators(3, generator())]),
    )
    with torch.no_grad():
        time = torch.ones(3)
        seen = learned.average(noise, time, rows)
        blind = learned.average(noise, time, rows, torch.ones(3, dtype=torch.bool))
    for guidance in (0.0, 1.0, 2.5):
        mixed = (blind + guidance * (seen - blind)).permute(0, 2, 3, 1).numpy()
        expected = np.clip(np.rint((mixed + 1) * 127.5), 0, 255)
        assert np.abs(drawn(learned, rows, steps=1, guidance=guidance) - expected).max() <= 1


def test_unless_asked_for_guidance_is_three_or_none_where_no_condition_was_hidden(learned: DiffusionDecoder) -> None:
    rows, drop = conditions(3), learned.settings.drop
    try:
        for given, usual in ((0.1, 3.0), (0.0, 1.0)):
            learned.reconfigure({"drop": given})
            assert np.array_equal(drawn(learned, rows, steps=4), drawn(learned, rows, steps=4, guidance=usual))
        with pytest.raises(C3Error, match="trained with drop 0"):
            drawn(learned, rows, steps=4, guidance=3.0)
    finally:
        learned.reconfigure({"drop": drop})
    assert not np.array_equal(drawn(learned, rows, steps=4, guidance=3.0), drawn(learned, rows, steps=4, guidance=1.0))


def test_guidance_ends_at_the_noise_level_that_is_asked_for(learned: DiffusionDecoder) -> None:
    """Of the times 1, 0.75, 0.5 and 0.25 all are guided, or all but the last, or the first alone."""
    rows = conditions(3)
    until = {
        level: drawn(learned, rows, steps=4, guidance=4, guidance_until=level).astype(int) for level in (0, 0.3, 1)
    }
    assert np.abs(until[0] - until[0.3]).max() > 1
    assert np.abs(until[1] - until[0.3]).max() > 1


def test_pixels_are_kept_in_range_on_the_way(learned: DiffusionDecoder) -> None:
    """By hand, with and without the limit, on the ways with and without fresh noise."""
    rows, expected = conditions(3), {}
    for limit, fresh in product((1.0, None), (True, False)):
        own = row_generators(3, generator())
        noise = torch.stack([torch.randn(3, 8, 8, generator=g) for g in own])
        with torch.no_grad():
            field = flow.guided(learned.average.module, rows, 20, until=0.3, limit=limit)
            made = flow.denoise(noise, field, 4, fresh=fresh, generators=own)
            expected[limit, fresh] = np.stack(to_pictures(made)).astype(int)
    for fresh in (True, False):
        found = drawn(learned, rows, steps=4, guidance=20, fresh_noise=fresh).astype(int)
        assert np.abs(found - expected[1.0, fresh]).max() <= 1
        assert np.abs(found - expected[None, fresh]).max() > 1
        assert np.abs(found - expected[1.0, not fresh]).max() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps: .*greater than or equal to 1"),
        ({"guidance": -0.1}, "guidance: .*greater than or equal to 0"),
        ({"guidance": math.nan}, "guidance: .*finite"),
        ({"guidance": math.inf}, "guidance: .*finite"),
        ({"guidance_until": 1.1}, "guidance_until: .*less than or equal to 1"),
        ({"guidance_until": -0.1}, "guidance_until: .*greater than or equal to 0"),
        ({"noise": "none"}, "noise"),
        ({"batch_size": 0}, "batch_size"),
        ({"steps": 10**12}, "steps: .*less than or equal to 1000"),
    ],
)
def test_bad_options_are_refused(learned: DiffusionDecoder, options: dict[str, Any], message: str) -> None:
    with pytest.raises(C3Error, match=message):
        learned.generate(conditions(1), options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 9}, "multiple of 2"),
        ({"watch_shift": 1}, "give watch_weight"),
        ({"widths": (8,)}, "widths"),
        ({"widths": (12, 16)}, "multiples of 8"),
        ({"widths": (8, 80_000)}, "at most 8192"),
        *(
            ({name: 10**9}, f"{name}: .*less than or equal to")
            for name in ("size", "layers", "hidden", "layout", "patch")
        ),
        ({"drop": 1.0}, "drop"),
        *(({name: value}, f"{name}: .*finite") for name in ("time_mean", "time_std") for value in (math.inf, math.nan)),
        ({"rows": 0}, "rows"),
        ({"watch_weight": 1.0}, "give rows"),
        ({"layer": 2}, "did you mean .*layers"),
        ({"autoencoder": "no/such-folder-or-model"}, "hub"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(C3Error, match=message):
        made(**options)


@pytest.mark.parametrize(
    "options", [{"size": 10}, {"size": 8, "patch": 2, "widths": (16, 16, 16)}, {"size": 40, "patch": 4}]
)
def test_any_size_that_can_be_halved_for_all_widths_but_the_last(options: dict[str, Any]) -> None:
    decoder = made(**options).train()
    side = options["size"]
    decoder.loss(conditions(2), torch.zeros(2, 3, side, side, dtype=torch.uint8)).backward()
    assert drawn(decoder, conditions(1)).shape == (1, side, side, 3)


@pytest.mark.parametrize(
    ("options", "validates"),
    [({}, True), ({"watch_drawn": 0.1}, False), ({"watch_sampled": 0.1}, False), ({"keep_above": 0.5}, False)],
)
def test_what_a_held_out_loss_knows_nothing_of_is_not_undone_by_it(options: dict[str, float], validates: bool) -> None:
    decoder = made()
    assert decoder.validates
    decoder.reconfigure(options)
    assert decoder.validates == validates


def test_pictures_of_another_size_are_refused() -> None:
    decoder = made()
    for batch in ([], [torch.zeros(3, 4, 4, dtype=torch.uint8)], [torch.zeros(3, 8, 8)], ["a.png"]):
        with pytest.raises(C3Error):
            decoder.collate(batch)


def test_before_it_is_prepared_it_says_so() -> None:
    decoder = DiffusionDecoder(4, **SMALL)
    with pytest.raises(C3Error, match="call `prepare`"):
        decoder.generate(torch.zeros(1, 4))
    with pytest.raises(C3Error, match="call `prepare`"):
        decoder.save(Path("."))


# ---- files


def test_the_average_alone_is_saved(learned: DiffusionDecoder, tmp_path: Path) -> None:
    learned.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder.json", "painter.safetensors"]
    saved, wanted = load_file(tmp_path / "painter.safetensors"), learned.average.module.state_dict()
    assert saved.keys() == wanted.keys()
    assert all(torch.equal(saved[name], wanted[name]) for name in wanted)


def test_half_precision_halves_the_file_and_hardly_changes_a_pixel(learned: DiffusionDecoder, tmp_path: Path) -> None:
    sizes = []
    for weights in ("float32", "float16"):
        learned.settings.weights = weights
        (tmp_path / weights).mkdir()
        learned.save(tmp_path / weights)
        sizes.append((tmp_path / weights / "painter.safetensors").stat().st_size)
    learned.settings.weights = "float32"
    assert sizes[1] < 0.6 * sizes[0]
    halved = DiffusionDecoder.load(tmp_path / "float16", device="cpu")
    assert np.abs(drawn(halved, conditions(3)).astype(int) - drawn(learned, conditions(3))).max() <= 3
    halved.average.module.nothing.data[0] = 1e6
    with pytest.raises(C3Error, match="float16 cannot hold"):
        halved.save(tmp_path)


def test_trained_further_the_average_goes_on(learned: DiffusionDecoder, tmp_path: Path) -> None:
    learned.save(tmp_path)
    decoder = DiffusionDecoder.load(tmp_path, device="cpu")
    before = decoder.average.module.nothing.detach().clone()
    decoder.painter.nothing.data += 1
    decoder.after_step(1)
    moved = float((decoder.average.module.nothing - before).detach().abs().max())
    assert moved == pytest.approx(1 - 151 / 160, rel=0.01)  # after 150 steps: (1 + 150) / (10 + 150) of it stays


def test_files_that_do_not_fit_are_refused(learned: DiffusionDecoder, tmp_path: Path) -> None:
    learned.save(tmp_path)
    described = json.loads((tmp_path / "decoder.json").read_text())
    for change, message in (
        ({"settings": {**described["settings"], "size": 16}}, "another resolution"),
        ({"condition_dim": 5}, "does not fit"),
        ({"condition_dim": None}, "decoder.json of a 'diffusion' decoder"),
        ({"condition_dim": -3}, "decoder.json of a 'diffusion' decoder"),
        ({"condition_dim": 8.7}, "condition_dim"),
        ({"condition_dim": 10**12}, "condition_dim"),
        ({"state": {"steps": 2**70}}, "steps"),
        ({"license": None}, "license"),
        ({"state": {"steps": -1}}, "decoder.json of a 'diffusion' decoder"),
        ({"settings": {**described["settings"], "zebra": 1}}, "zebra"),
    ):
        (tmp_path / "decoder.json").write_text(json.dumps({**described, **change}))
        with pytest.raises(C3Error, match=message):
            DiffusionDecoder.load(tmp_path, device="cpu")
    (tmp_path / "decoder.json").write_text(json.dumps(described))
    save_file({"other": torch.zeros(1)}, tmp_path / "painter.safetensors")
    with pytest.raises(C3Error, match="does not fit"):
        DiffusionDecoder.load(tmp_path, device="cpu")
    (tmp_path / "painter.safetensors").unlink()
    torch.save({}, tmp_path / "painter.pt")
    with pytest.raises(C3Error, match="pickled"):
        DiffusionDecoder.load(tmp_path, device="cpu")
