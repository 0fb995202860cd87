"""The objectives: what each trains and sees, when penalties are taken, and a fit on the playground that a kill interrupts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import c3core
from c3_playground.world import World
from c3_stylegan import losses
from c3_stylegan.decoder import StyleGANDecoder
from c3_stylegan.gan import BETAS
from c3_stylegan.network.discriminator import judge
from c3core.errors import C3Error
from tests.helpers.output_encoders import FunctionEncoder

SMALL: dict[str, Any] = {"channels": 256, "max_channels": 12, "style_dim": 16, "mapping_layers": 2, "device": "cpu"}


def make(**more: Any) -> StyleGANDecoder:
    torch.manual_seed(0)
    decoder = StyleGANDecoder(8, **{**SMALL, **more})
    decoder.prepare([])
    return decoder.train()


@pytest.fixture(scope="module")
def batch() -> Tensor:
    pictures = np.stack([item.data for item in World().items("image", "train", 8)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.fixture(scope="module")
def conditions() -> Tensor:
    return normalize(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)), dim=1)


def same_draws(decoder: StyleGANDecoder, conditions: Tensor) -> Tensor:
    """The pictures that a loss draws under seed 3, which the test then gives to the loss too."""
    torch.manual_seed(3)
    drawn = decoder.paint(conditions).detach()
    torch.manual_seed(3)
    return drawn


def test_each_player_has_its_own_parameters_and_the_papers_optimizer() -> None:
    decoder = make()
    objectives = decoder.objectives()
    assert [objective.name for objective in objectives] == ["discriminator", "generator"]
    sets = [{id(parameter) for parameter in objective.parameters} for objective in objectives]
    assert not sets[0] & sets[1]
    average = {id(parameter) for parameter in decoder.average.parameters()}
    assert not average & (sets[0] | sets[1])
    assert all(objective.optimizer == {"betas": BETAS, "weight_decay": 0.0} for objective in objectives)


def test_the_discriminators_loss_is_its_terms(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(match_weight=3.0, temperature=0.2, r1=5.0, r1_every=4)
    drawn = same_draws(decoder, conditions)
    real, features = decoder.discriminator(batch)
    fake, fake_features = decoder.discriminator(drawn)
    plain = losses.discriminator_loss(judge(real, features, conditions), judge(fake, fake_features, conditions))
    plain = plain + 3 * losses.matching_loss(features, conditions, 0.2)
    leaf = batch.clone().requires_grad_()
    again = decoder.discriminator(leaf)
    penalty = losses.r1_penalty(leaf, judge(*again, conditions))
    torch.testing.assert_close(decoder.discriminator_loss(conditions, batch), plain + 4 * 5 / 2 * penalty)
    for step in range(1, 5):
        decoder.after_step(step)
        same_draws(decoder, conditions)
        found = decoder.discriminator_loss(conditions, batch)
        expected = plain + 4 * 5 / 2 * penalty if step == 4 else plain  # R1 is lazy
        torch.testing.assert_close(found, expected)


def test_the_generators_loss_is_its_terms(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(match_weight=3.0, watch_weight=2.0, temperature=0.2, reconstruction=7.0)
    matrix = torch.randn(8, 3 * 32 * 32)
    drawn = same_draws(decoder, conditions)
    fake, features = decoder.discriminator(drawn)
    expected = losses.generator_loss(judge(fake, features, conditions)) + 3 * losses.matching_loss(
        features, conditions, 0.2
    )
    expected = expected + 7 * losses.distances(drawn, batch).mean()
    torch.testing.assert_close(decoder.loss(conditions, batch), expected)
    seen: list[Tensor] = []

    def conditions_of(pictures: Tensor) -> Tensor:
        seen.append(pictures)
        return pictures.flatten(1) @ matrix.t()

    decoder.output_encoder = FunctionEncoder(conditions_of)
    same_draws(decoder, conditions)
    found = decoder.loss(conditions, batch)
    torch.testing.assert_close(seen[0], (drawn + 1) / 2)
    torch.testing.assert_close(
        found, expected + 2 * losses.matching_loss(seen[0].flatten(1) @ matrix.t(), conditions, 0.2)
    )


def test_the_discriminator_sees_every_picture_through_the_augmentation(
    batch: Tensor, conditions: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, seen = make(augment=["translation"], r1_every=1), list[tuple[int, Any]]()

    def noted(pictures: Tensor, kinds: Any) -> Tensor:
        seen.append((len(pictures), kinds))
        return pictures

    monkeypatch.setattr("c3_stylegan.gan.augment", noted)
    decoder.discriminator_loss(conditions, batch)
    decoder.loss(conditions, batch)
    assert seen == [(8, ("translation",))] * 4  # real, drawn and R1's in the one loss, drawn in the other


def test_r1_is_in_full_precision_whatever_the_rest_is_in(batch: Tensor, conditions: Tensor) -> None:
    decoder = make()
    plain = decoder.r1_penalty(conditions, batch)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(decoder.r1_penalty(conditions, batch), plain)


def test_noise_maps_are_drawn_where_asked_for(conditions: Tensor) -> None:
    decoder = make()
    with torch.no_grad():
        for name, parameter in decoder.average.module.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(1.0)

    def drawn(seed: int, noise: str) -> Any:
        options = {"truncation": 0, "noise": noise}
        return np.stack(decoder.generate(conditions, options, generator=torch.Generator().manual_seed(seed)))

    assert np.array_equal(drawn(0, "none"), drawn(1, "none"))
    assert not np.array_equal(drawn(0, "random"), drawn(1, "random"))


def test_of_several_tries_the_nearest_to_the_picture_counts(batch: Tensor, conditions: Tensor) -> None:
    """Row by row, among the drawings that the seed gives."""
    decoder = make(reconstruction=2.0, tries=5, match_weight=0.0)
    torch.manual_seed(3)
    with torch.no_grad():
        drawings = torch.stack([decoder.paint(conditions) for _ in range(5)])
    nearest = torch.stack([losses.distances(drawing, batch) for drawing in drawings]).argmin(dim=0)
    assert len(set(nearest.tolist())) > 1
    drawn = torch.stack([drawings[k, row] for row, k in enumerate(nearest.tolist())])
    expected = (
        losses.generator_loss(judge(*decoder.discriminator(drawn), conditions))
        + 2 * losses.distances(drawn, batch).mean()
    )
    torch.manual_seed(3)
    torch.testing.assert_close(decoder.loss(conditions, batch), expected)


def test_tries_make_drawings_of_one_condition_differ() -> None:
    """One condition of white and of black pictures: held against whichever comes, the generator draws their grey."""
    conditions = torch.ones(8, 8) / 8**0.5
    batch = torch.ones(8, 3, 32, 32) * torch.tensor([1.0, -1.0]).repeat(4)[:, None, None, None]
    spread = {}
    for tries in (1, 4):
        decoder = make(reconstruction=1.0, tries=tries, match_weight=0.0)
        optimizer = torch.optim.Adam(decoder.generator.parameters(), lr=1e-2, betas=BETAS)
        torch.manual_seed(0)
        for _ in range(50):
            optimizer.zero_grad()
            losses.distances(
                decoder.paint(conditions, decoder.nearest_noise(conditions, batch)), batch
            ).mean().backward()
            optimizer.step()
        with torch.no_grad():
            spread[tries] = float(decoder.paint(conditions).mean(dim=(1, 2, 3)).std())
    assert spread[1] < 0.3 < 0.6 < spread[4]


def test_the_discriminator_may_have_a_learning_rate_of_its_own() -> None:
    judging, drawing = make(discriminator_lr=0.1).objectives()
    assert judging.optimizer["lr"] == 0.1
    assert "lr" not in drawing.optimizer


def test_noise_before_the_space_sees_pictures(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(watch_noise=0.1)
    seen: list[Tensor] = []
    decoder.output_encoder = FunctionEncoder(lambda pictures: (seen.append(pictures), pictures.flatten(1)[:, :8])[1])
    drawn = same_draws(decoder, conditions)
    decoder.loss(conditions, batch)
    assert float((seen[0] - (drawn + 1) / 2).std().detach()) == pytest.approx(0.1, rel=0.05)


def test_a_player_does_not_move_the_other(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(path_length=2.0, augment=["color", "translation", "cutout"])
    decoder.loss(conditions, batch).backward()
    assert all(parameter.grad is None for parameter in decoder.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in decoder.discriminator.parameters())
    assert all(parameter.grad is not None for parameter in decoder.generator.parameters())
    decoder.zero_grad()
    decoder.discriminator_loss(conditions, batch).backward()
    assert all(parameter.grad is None for parameter in decoder.generator.parameters())
    assert all(parameter.grad is not None for parameter in decoder.discriminator.parameters())


def test_gradients_go_through_the_spaces_encoder(batch: Tensor) -> None:
    """With all other terms off, steps on the encoder's term alone bring the pictures' embeddings to the conditions."""
    space = c3core.load_space("playground", device="cpu")
    encoder = space.encoder("image")
    torch.manual_seed(0)
    decoder = StyleGANDecoder(encoder.dim, match_weight=0, watch_weight=100, temperature=0.2, **SMALL)
    decoder.prepare([])
    decoder.output_encoder = FunctionEncoder(lambda pictures: normalize(encoder.embed_raw(pictures), dim=1))
    with torch.no_grad():
        conditions = normalize(encoder.embed_raw((batch + 1) / 2), dim=1)
    optimizer = torch.optim.Adam(decoder.generator.parameters(), lr=1e-2)
    found = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = decoder.loss(conditions, batch)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert found[-1] < 0.7 * found[0]


def test_the_average_follows_slowly() -> None:
    decoder = make(average=0.9)
    decoder.after_step(1)  # the first takes the weights as they are
    name, parameter = next(iter(decoder.generator.named_parameters()))
    before = parameter.detach().clone()
    with torch.no_grad():
        parameter += 1
    decoder.after_step(2)
    torch.testing.assert_close(
        decoder.average.module.get_parameter(name), before + 9 / 11
    )  # decay 2 / 11, short at first
    decoder.average.n_averaged.fill_(1000)
    with torch.no_grad():
        parameter += 1
    decoder.after_step(3)
    torch.testing.assert_close(decoder.average.module.get_parameter(name), before + 0.9 * 9 / 11 + 0.1 * 2)


def test_the_mean_length_moves_in_training_alone(batch: Tensor, conditions: Tensor) -> None:
    decoder = make(path_length=1.0)
    decoder.path_length_penalty(conditions)
    assert decoder.mean_length > 0
    kept = decoder.mean_length.clone()
    decoder.eval().path_length_penalty(conditions)
    assert torch.equal(decoder.mean_length, kept)


def test_the_path_length_term_is_lazy_and_about_a_running_mean(batch: Tensor, conditions: Tensor) -> None:
    """Steps 0 to 4, the term in two of them; ‖Jᵀ y‖ row by row from autograd, the root of the mean square over layers."""
    decoder = make(path_length=3.0, path_length_every=4, match_weight=0.0)
    generator, mean, penalised = decoder.generator, 0.0, []
    for step in range(5):
        drawn = same_draws(decoder, conditions)
        found = decoder.loss(conditions, batch)
        expected = losses.generator_loss(judge(*decoder.discriminator(drawn), conditions))
        if step % 4 == 0:
            same_draws(decoder, conditions)
            decoder.paint(conditions)  # what the loss drew before
            z = torch.randn(4, 16)  # half of the batch
            styles = [generator.mapping(z).detach().clone().requires_grad_() for _ in range(8)]
            maps = [torch.randn(4, 1, side, side) for side in generator.noise_sides()]
            pictures = generator.draw(conditions[:4], styles, noise=maps)
            y = torch.randn_like(pictures) / 32
            lengths = []
            for k in range(4):
                slopes = torch.autograd.grad((pictures[k] * y[k]).sum(), styles, retain_graph=True)
                lengths.append((sum(slope[k].norm() ** 2 for slope in slopes) / 8) ** 0.5)
            mean += 0.01 * (sum(map(float, lengths)) / 4 - mean)
            expected = expected + 4 * 3 * sum((length - mean) ** 2 for length in lengths) / 4
            penalised.append(step)
        torch.testing.assert_close(found, expected)
        assert float(decoder.mean_length) == pytest.approx(mean, rel=1e-5)
        decoder.after_step(step + 1)
    assert penalised == [0, 4]


def test_mixed_styles_begin_at_a_random_layer(conditions: Tensor) -> None:
    """The share of mixed drawings, and in each the layer from which another z counts, follow the seed."""
    decoder = make(style_mixing=0.6)
    generator, starts = decoder.generator, []
    for seed in range(40):
        torch.manual_seed(seed)
        z, maps = torch.randn(8, 16), [torch.randn(8, 1, side, side) for side in generator.noise_sides()]
        first = int(torch.randint(1, 8, ())) if torch.rand(()) < 0.6 else 8  # of eight styles
        styles = [generator.mapping(z)] * first
        styles += [generator.mapping(torch.randn(8, 16))] * (8 - first) if first < 8 else []
        starts.append(first)
        if seed < 8:
            torch.manual_seed(seed)
            expected = generator.draw(conditions, styles, noise=maps)
            torch.testing.assert_close(decoder.paint(conditions), expected)
    assert set(starts) == set(range(1, 9))


def test_the_second_style_does_not_count_for_the_mean(conditions: Tensor) -> None:
    means = []
    for share in (0.0, 1.0):
        decoder = make(style_mixing=share)
        torch.manual_seed(3)
        decoder.paint(conditions)
        means.append(decoder.generator.mapping.mean)
    assert torch.equal(*means)


def test_use_and_the_choice_of_tries_mix_no_styles(batch: Tensor, conditions: Tensor) -> None:
    plain, mixed = make(reconstruction=1.0, tries=3), make(reconstruction=1.0, tries=3, style_mixing=1.0)
    drawn, chosen = [], []
    for decoder in (plain, mixed):
        drawn.append(decoder.generate(conditions, generator=torch.Generator().manual_seed(0)))
        torch.manual_seed(3)
        chosen.append(decoder.train().nearest_noise(conditions, batch))
    assert np.array_equal(*drawn)
    assert all(torch.equal(a, b) for a, b in zip(*chosen, strict=True))


def test_both_players_learn_at_a_larger_resolution() -> None:
    decoder = make(
        resolution=64, path_length=2.0, style_mixing=1.0, reconstruction=1.0, augment=["color", "translation", "cutout"]
    )
    batch = decoder.collate(list(torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)))
    conditions = normalize(torch.randn(4, 8), dim=1)
    assert decoder.paint(conditions).shape == batch.shape == (4, 3, 64, 64)
    for objective in decoder.objectives():
        decoder.zero_grad()
        loss = objective.loss(conditions, batch)
        loss.backward()
        assert torch.isfinite(loss)
        for parameter in objective.parameters:
            assert parameter.grad is not None
            assert torch.isfinite(parameter.grad).all()


def test_rows_of_a_stream_do_not_depend_on_its_batches(conditions: Tensor) -> None:
    decoder = make().eval()
    for options in ({"truncation": 1.0}, {"truncation": 1.0, "noise": "random"}):
        found = [
            np.stack(
                decoder.generate(
                    conditions, {**options, "batch_size": size}, generator=torch.Generator().manual_seed(1)
                )
            )
            for size in (1, 3, 8)
        ]
        assert np.abs(found[0].astype(int) - found[1]).max() <= 1  # of 255: rounding
        assert np.abs(found[0].astype(int) - found[2]).max() <= 1


def test_the_initial_weights_follow_the_seed() -> None:
    weights = []
    for seed in (5, 5, 6):
        decoder = StyleGANDecoder(8, **SMALL)
        torch.manual_seed(seed)
        decoder.prepare([])
        weights.append(decoder.generator.code.layers[0].weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    trained = decoder.generator.code.layers[0].weight.detach().clone()
    decoder.after_step(1)
    decoder.prepare([])
    assert torch.equal(decoder.generator.code.layers[0].weight, trained)


class Killed(Exception):
    pass


def fit(folder: Path, steps_until_killed: int | None = None, seed: int = 0, **more: Any) -> StyleGANDecoder:
    items = World().items("image", "train", 48)
    space = c3core.load_space("playground", device="cpu")
    options = {"path_length": 1.0, "augment": ["translation"], "average": 0.9, **SMALL, **more}
    decoder = c3core.load_decoder("stylegan", space=space, **options)
    pipeline = c3core.Pipeline(space, c3core.load_bridge("c3", noise_std=0.03, rescale="none"), decoder)
    after = decoder.after_step

    def dies(step: int) -> None:
        after(step)
        if step == steps_until_killed:
            raise Killed

    decoder.after_step = dies
    given = {"image": [item.data for item in items], "text": [item.sentences[0] for item in items]}
    training = {"steps": 5, "batch_size": 8, "learning_rate": 2e-3, "warmup_steps": 1, "save_steps": 2, "seed": seed}
    pipeline.fit(given, training=training, folder=folder, quiet=True)
    return decoder


@pytest.mark.parametrize(
    "more", [{"style_mixing": 0.5}, {"rows": 4, "hidden": 16, "tries": 2}], ids=["plain", "sketch"]
)
def test_a_killed_fit_goes_on_to_the_same_weights(tmp_path: Path, more: dict[str, Any]) -> None:
    whole = fit(tmp_path / "whole", **more)
    with pytest.raises(Killed):
        fit(tmp_path / "killed", steps_until_killed=3, **more)
    resumed = fit(tmp_path / "killed", **more)
    wanted, found = whole.state_dict(), resumed.state_dict()
    assert float(found["mean_length"]) == pytest.approx(float(wanted["mean_length"]), rel=1e-4)
    assert found["mean_length"] > 0
    assert whole.average.updates == resumed.average.updates == 5
    # Where a gradient is all rounding, Adam steps by the sign of it: a few weights differ.
    differences = torch.cat([(found[name] - wanted[name]).abs().flatten() for name in wanted])
    assert (differences > 1e-4).float().mean() < 0.01
    other = fit(tmp_path / "other", seed=1, **more).state_dict()
    differences = torch.cat([(other[name] - wanted[name]).abs().flatten() for name in wanted])
    assert (differences > 1e-4).float().mean() > 0.5


@pytest.mark.parametrize(("option", "value"), [("resolution", 64), ("match_weight", 3.0)])
def test_a_run_with_other_settings_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: float
) -> None:
    with pytest.raises(Killed):
        fit(tmp_path, steps_until_killed=3)
    monkeypatch.setitem(SMALL, option, value)
    with pytest.raises(C3Error, match="another recipe"):
        fit(tmp_path)


def test_validation_data_is_refused() -> None:
    space = c3core.load_space("playground", device="cpu")
    pipeline = c3core.Pipeline(space, c3core.load_bridge("c1"), c3core.load_decoder("stylegan", space=space, **SMALL))
    pictures = [item.data for item in World().items("image", "train", 4)]
    with pytest.raises(C3Error, match="no loss to validate by"):
        pipeline.fit({"image": pictures}, validation=pictures, quiet=True)


def test_a_supervised_painter_that_looks_at_its_pictures_needs_their_mean() -> None:
    """Pairs give no statistics of what is drawn; a few pictures beside them do."""
    items = World().items("image", "train", 8)
    pairs = c3core.Pairs([item.sentences[0] for item in items], "text", [item.data for item in items])
    options = {"steps": 1, "batch_size": 4, "warmup_steps": 0}

    def painter() -> c3core.Pipeline:
        space = c3core.load_space("playground")
        decoder = c3core.load_decoder("stylegan", space=space, **SMALL)
        return c3core.Pipeline(space, c3core.load_bridge("c3", rescale="none"), decoder)

    with pytest.raises(C3Error, match="the bridge knows no image"):
        painter().fit(pairs=pairs, training=options, quiet=True)
    painter().fit({"image": [item.data for item in items]}, pairs=pairs, training=options, quiet=True)
