"""The contract of a decoder, as a pytest suite. A plugin's test file subclasses it:

    from c3core.testing.decoders import DecoderContract

    class TestMine(DecoderContract):
        def make(self):
            return load_decoder("mine", condition_dim=8, width=16)

        def targets(self):
            return ["one", "two", "three"]

Make it with settings other than the defaults, so that a setting that is not saved is found. Class attributes of
`DecoderContract` declare what the suite cannot know, such as the options with which outputs are random (`sampling`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.contracts import BadItem, Decoder
from c3core.errors import C3Error
from c3core.io.files import PICKLES
from c3core.training.checkpoint import load_trained, trained_state


class DecoderContract(ABC):
    """What every decoder must do. Class attributes declare what the suite cannot know."""

    options: ClassVar[Mapping[str, Any]] = {}  # of `generate`, for quick outputs that depend only on conditions
    sampling: ClassVar[Mapping[str, Any]] = {}  # more options, with which outputs depend on the generator
    steps: ClassVar[int] = 30  # of training on one batch, after which outputs differ by their conditions
    lr: ClassVar[float] = 5e-3

    @abstractmethod
    def make(self) -> Decoder:
        """Return a new, small decoder on the CPU, not prepared."""

    @abstractmethod
    def targets(self) -> Sequence[Any]:
        """Return at least three sources of training targets, all different."""

    # ---- parts of the tests

    def read(self, decoder: Decoder) -> list[Any]:
        items = [decoder.reader()(target) for target in self.targets()]
        assert [str(item) for item in items if isinstance(item, BadItem)] == [], "targets() must give good sources"
        assert len(items) >= 3, "targets() must give at least three"
        return items

    def prepared(self) -> Decoder:
        torch.manual_seed(0)
        decoder = self.make()
        self.prepare(decoder)
        return decoder

    def prepare(self, decoder: Decoder) -> None:
        """Prepare it, or let it memorize one target for each of the conditions."""
        if decoder.memorizes:
            decoder.memorize([(self.conditions(decoder), self.read(decoder))])
        else:
            decoder.prepare(iter(self.read(decoder)))

    def conditions(self, decoder: Decoder, n: int | None = None) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        return normalize(torch.randn(n or len(self.targets()), decoder.condition_dim, generator=generator), dim=-1)

    def losses(self, decoder: Decoder, steps: int) -> list[float]:
        """Train every objective on one batch. Return the first objective's loss at each step."""
        objectives = decoder.objectives()
        optimizers = [torch.optim.AdamW(objective.parameters, lr=self.lr) for objective in objectives]
        conditions, batch = self.conditions(decoder), decoder.collate(self.read(decoder))
        decoder.train()
        firsts = []
        for step in range(steps):
            for number, (objective, optimizer) in enumerate(zip(objectives, optimizers, strict=True)):
                if step % objective.every:
                    continue
                optimizer.zero_grad()
                loss = objective.loss(conditions, batch)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                if number == 0:
                    firsts.append(float(loss.detach()))
            decoder.after_step(step)
        decoder.eval()
        return firsts

    def same(self, one: Any, other: Any) -> bool:
        """Whether two outputs are equal. Arrays and tensors may differ by the rounding of another batch size."""
        if hasattr(one, "shape") or isinstance(one, list | tuple):
            whole = np.issubdtype(np.asarray(one).dtype, np.integer)  # rounded levels of a picture may differ by one
            return np.shape(one) == np.shape(other) and bool(
                np.allclose(one, other, rtol=0 if whole else 1e-4, atol=1 if whole else 1e-4)
            )
        return bool(one == other)

    def assert_same(self, outputs: Sequence[Any], others: Sequence[Any]) -> None:
        assert len(outputs) == len(others)
        assert [self.same(one, other) for one, other in zip(outputs, others, strict=True)] == [True] * len(outputs)

    def generate(self, decoder: Decoder, conditions: Tensor, *, seed: int = 0, **more: Any) -> list[Any]:
        generator = torch.Generator().manual_seed(seed)
        return decoder.generate(conditions, {**self.options, **more}, generator=generator)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> Decoder:
        """All tests of a class share it, and none changes it."""
        suite = cls()
        decoder = suite.prepared()
        suite.losses(decoder, suite.steps)
        return decoder

    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, trained: Decoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder: Path = tmp_path_factory.mktemp("decoder")
        trained.save(folder)
        return folder

    # ---- training

    def test_declares_what_it_is(self) -> None:
        decoder = self.make()
        assert decoder.name
        assert decoder.modality
        assert decoder.condition_dim > 0
        assert decoder.frame in ("bridge", "native")
        assert decoder.suffix is None or decoder.suffix.startswith(".")

    def test_it_has_no_use_before_prepare_and_is_prepared_once(self) -> None:
        decoder = self.make()
        if not (decoder.trainable or decoder.memorizes):
            pytest.skip("this decoder has nothing to train")
        with pytest.raises(C3Error):
            self.generate(decoder, self.conditions(decoder))
        self.prepare(decoder)
        before = {name: value.clone() for name, value in decoder.state_dict().items()}
        decoder.prepare(iter(self.read(decoder)))
        same = all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
        assert same, "prepare must do nothing if it was called before"

    def test_each_objective_is_a_finite_scalar_with_a_gradient(self) -> None:
        decoder = self.prepared().train()
        assert bool(decoder.objectives()) == decoder.trainable, "only a trainable decoder has objectives()"
        conditions, batch = self.conditions(decoder), decoder.collate(self.read(decoder))
        for objective in decoder.objectives():
            decoder.zero_grad()
            loss = objective.loss(conditions, batch)
            assert loss.shape == ()
            assert torch.isfinite(loss)
            loss.backward()  # type: ignore[no-untyped-call]
            gradients = [parameter.grad for parameter in objective.parameters if parameter.grad is not None]
            assert any(gradient.abs().sum() > 0 for gradient in gradients), objective.name
            assert all(torch.isfinite(gradient).all() for gradient in gradients), objective.name

    def test_loss_falls_on_one_batch(self) -> None:
        losses = self.losses(self.prepared(), self.steps)
        if not losses:
            pytest.skip("this decoder has nothing to train")
        assert min(losses[-3:]) < 0.9 * losses[0], "the loss does not fall by a tenth: set more steps, or another lr"

    def test_new_weights_follow_torchs_seed_at_prepare(self) -> None:
        """Not the seed at `__init__`: a run that was killed before its first checkpoint would resume from others."""
        states = []
        for before in (1, 2):
            torch.manual_seed(before)
            decoder = self.make()
            torch.manual_seed(0)
            self.prepare(decoder)
            states.append(trained_state(decoder))
        assert states[0].keys() == states[1].keys()
        other = [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]
        assert other == [], "draw new weights in prepare, from torch's global generator"

    def test_a_checkpoint_holds_all_that_training_changes(self) -> None:
        decoder, other = self.prepared(), self.prepared()
        self.losses(decoder, 2)
        load_trained(other, trained_state(decoder), Path("checkpoint"))
        kept = other.state_dict()
        changed = [name for name, value in decoder.state_dict().items() if not torch.equal(value, kept[name])]
        assert changed == [], "training changed these, but they want no gradient and are not buffers"

    # ---- generating

    def test_one_output_a_condition_in_order(self, trained: Decoder) -> None:
        conditions = self.conditions(trained, len(self.targets()) + 2)
        outputs = self.generate(trained, conditions)
        assert len(outputs) == len(conditions)
        assert trained.suffix or all(isinstance(output, str) for output in outputs), (
            "an output that is printed is a line of text"
        )
        assert not all(self.same(outputs[0], output) for output in outputs), (
            "every condition gives the same: train longer"
        )
        self.assert_same(outputs, self.generate(trained, conditions.flip(0))[::-1])

    def test_an_output_does_not_depend_on_its_batch(self, trained: Decoder) -> None:
        conditions = self.conditions(trained)
        for options in ({}, self.sampling):
            whole = self.generate(trained, conditions, **options)
            self.assert_same(whole, self.generate(trained, conditions, **options, batch_size=2))
            generator = torch.Generator().manual_seed(0)
            given = {**self.options, **options}
            singles = [trained.generate(row[None], given, generator=generator)[0] for row in conditions]
            self.assert_same(whole, singles)

    def test_what_is_skipped_draws_as_much_as_what_is_made(self, trained: Decoder) -> None:
        conditions = self.conditions(trained)
        options = {**self.options, **self.sampling}
        generator = torch.Generator().manual_seed(0)
        trained.skip(2, trained.check_options(options), generator)
        rest = trained.generate(conditions[2:], options, generator=generator)
        self.assert_same(self.generate(trained, conditions, **self.sampling)[2:], rest)

    def test_random_numbers_come_only_from_the_generator(self, trained: Decoder) -> None:
        conditions = self.conditions(trained)
        first = self.generate(trained, conditions, seed=3, **self.sampling)
        torch.manual_seed(11)
        before = torch.get_rng_state()
        self.assert_same(first, self.generate(trained, conditions, seed=3, **self.sampling))
        assert torch.equal(before, torch.get_rng_state()), "generating drew from torch's global generator"
        if self.sampling:
            other = self.generate(trained, conditions, seed=4, **self.sampling)
            assert not all(map(self.same, first, other)), "another seed draws the same"

    def test_conditions_stay_as_they_are(self, trained: Decoder) -> None:
        conditions = self.conditions(trained)
        copy = conditions.clone()
        self.generate(trained, conditions)
        if trained.objectives():
            trained.loss(conditions, trained.collate(self.read(trained)))
        assert torch.equal(conditions, copy), "it changed the conditions in place"

    # ---- bad input

    def test_losses_refuse_conditions_that_do_not_fit(self, trained: Decoder) -> None:
        conditions, batch = self.conditions(trained), trained.collate(self.read(trained))
        for objective in trained.objectives():
            for wrong in (conditions[:, 1:], conditions.repeat(1, 2), conditions[0], conditions[None]):
                with pytest.raises(C3Error, match="shape"):
                    objective.loss(wrong, batch)
            for wrong in (conditions[:1], conditions[1:], conditions.repeat(2, 1), conditions[:0]):
                with pytest.raises(C3Error, match="conditions for"):
                    objective.loss(wrong, batch)
            wrong = conditions.clone()
            wrong[0, 0] = float("nan")
            with pytest.raises(C3Error, match="NaN or infinite"):
                objective.loss(wrong, batch)

    # ---- files

    def test_an_output_is_written_whole_to_a_file_of_the_suffix(self, trained: Decoder, tmp_path: Path) -> None:
        if trained.suffix is None:
            pytest.skip("this decoder's outputs are printed")
        output = self.generate(trained, self.conditions(trained))[0]
        trained.write(output, tmp_path / f"output{trained.suffix}")
        assert [path.name for path in tmp_path.iterdir()] == [f"output{trained.suffix}"]
        assert (tmp_path / f"output{trained.suffix}").stat().st_size > 0

    def test_load_gives_back_what_was_saved(self, trained: Decoder, saved: Path) -> None:
        loaded = type(trained).load(saved, device="cpu")
        assert (loaded.condition_dim, loaded.license) == (trained.condition_dim, trained.license)
        assert loaded.settings.to_save() == trained.settings.to_save()
        conditions = self.conditions(trained)
        self.assert_same(self.generate(trained, conditions), self.generate(loaded, conditions))
        items = self.read(trained)
        assert bool(loaded.objectives()) == bool(trained.objectives())
        if not trained.objectives():
            return
        with torch.no_grad():
            torch.manual_seed(0)
            loss = trained.loss(conditions, trained.collate(items))
            torch.manual_seed(0)
            torch.testing.assert_close(loaded.loss(conditions, loaded.collate(items)), loss)

    def test_a_loaded_decoder_learns_on(self, trained: Decoder, saved: Path) -> None:
        loaded = type(trained).load(saved, device="cpu")
        loaded.prepare(iter(self.read(loaded)))
        conditions = self.conditions(trained)  # a training that starts from a pipeline prepares its decoder again
        self.assert_same(self.generate(loaded.eval(), conditions), self.generate(trained, conditions))
        wanted = [tuple(parameter.shape) for objective in trained.objectives() for parameter in objective.parameters]
        found = [tuple(parameter.shape) for objective in loaded.objectives() for parameter in objective.parameters]
        assert found == wanted
        assert torch.isfinite(torch.tensor(self.losses(loaded, 2))).all()

    def test_no_pickle_is_written(self, saved: Path) -> None:
        files = [path for path in saved.rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert path.suffix not in PICKLES, path
            if path.suffix == ".safetensors":
                continue  # begins with a length, whose first byte may be anything
            head = path.read_bytes()[:4]
            assert head[:1] != b"\x80", f"{path} begins as a pickle does"
            assert head != b"PK\x03\x04", f"{path} is an archive, as torch.save writes"

    def test_a_missing_or_cut_file_is_refused(self, trained: Decoder, saved: Path) -> None:
        for path in sorted(saved.rglob("*.safetensors")) + sorted(saved.glob("*.json")):
            whole = path.read_bytes()
            try:
                path.write_bytes(whole[: len(whole) // 2])
                with pytest.raises(C3Error):
                    type(trained).load(saved, device="cpu")
                path.unlink()
                with pytest.raises(C3Error):
                    type(trained).load(saved, device="cpu")
            finally:
                path.write_bytes(whole)
        type(trained).load(saved, device="cpu")  # whole again
