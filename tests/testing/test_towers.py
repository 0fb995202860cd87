"""The suite of towers passes a good tower, and a broken one fails the right test."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from c3core import Reader, Tower
from c3core.testing import TowerContract
from tests.helpers.suites import FAILURES, list_tests, run_test


class SignalReader(Reader):
    def read(self, source: np.ndarray) -> Tensor:
        if not np.isfinite(source).all():
            raise ValueError("not finite")
        return torch.from_numpy(source.copy())


class Good(Tower):
    modality, license = "signal", "MIT"

    def __init__(self, *, width: int = 4, offset: float | None = None) -> None:
        super().__init__()
        self.width, self.offset = width, offset
        self.net = nn.Sequential(nn.Linear(3, width), nn.Tanh())

    def reader(self) -> Reader:
        return SignalReader()

    def prepare(self, items: Any) -> None:
        self.offset = float(torch.stack(list(items)).mean())

    def collate(self, items: Any) -> Any:
        return {"signals": torch.stack(list(items)) - self.offset}

    def from_raw(self, batch: Tensor) -> Any:
        return {"signals": batch.mean(dim=(2, 3))}

    def augment(self, batch: Any, generator: torch.Generator) -> Any:
        return {"signals": batch["signals"] + torch.randn(batch["signals"].shape, generator=generator)}

    def forward(self, batch: Any) -> Tensor:
        features: Tensor = self.net(batch["signals"])
        return features

    def config(self) -> dict[str, Any]:
        return {"width": self.width, "offset": self.offset}


class GoodFrozen(Good):
    frozen = True

    def __init__(self, *, width: int = 4, offset: float | None = 0.5) -> None:
        super().__init__(width=width, offset=offset)
        nn.init.constant_(self.net[0].bias, 0.1)
        with torch.no_grad():
            self.net[0].weight.copy_(torch.eye(width, 3))


class TestGood(TowerContract):
    differentiable = True
    tower_class: ClassVar[type[Tower]] = Good

    def make(self) -> Tower:
        return self.tower_class(width=5)

    def sources(self) -> list[np.ndarray]:
        return [np.eye(3, dtype=np.float32)[k] + 0.25 for k in range(3)]

    def bad_source(self) -> np.ndarray:
        return np.full(3, np.nan, dtype=np.float32)


class TestGoodFrozen(TestGood):
    tower_class = GoodFrozen


# ---- each of these is broken in one way


class Nameless(Good):
    modality = " "


class AnotherWidth(Good):
    def forward(self, batch):
        return super().forward(batch)[:, 1:]


class NotFinite(Good):
    def forward(self, batch):
        return super().forward(batch) / 0.0


class AllAlike(Good):
    def forward(self, batch):
        return super().forward(batch) * 0 + 1


class DependsOnTheBatch(Good):
    def forward(self, batch):
        features = super().forward(batch)
        return features - 0.5 * features.mean(0)


class Sorted(Good):
    def forward(self, batch):
        return super().forward(batch).sort(dim=0).values


class Noisy(Good):
    def forward(self, batch):
        features = super().forward(batch)
        return features + 0.01 * torch.randn(features.shape)


class ChangesItems(Good):
    def collate(self, items):
        return super().collate([item.mul_(2) for item in items])


class ListOfNumbers(Good):
    def collate(self, items):
        return [item.tolist() for item in items]


class Unseeded(Good):
    made = count()

    def __init__(self, **options):
        super().__init__(**options)
        nn.init.normal_(self.net[0].weight, generator=torch.Generator().manual_seed(next(self.made)))


class Detached(Good):
    def forward(self, batch):
        return super().forward(batch).detach() + self.net[0].bias * 0


class AugmentsByTorchsOwn(Good):
    def augment(self, batch, generator):
        return {"signals": batch["signals"] + torch.randn(batch["signals"].shape)}


class AugmentsInPlace(Good):
    def augment(self, batch, generator):
        batch["signals"] += 1
        return batch


class NoGradientToRaw(Good):
    def from_raw(self, batch):
        return super().from_raw(batch.detach())


class ForgetsAnOption(Good):
    def config(self):
        return {"offset": self.offset}


class ConfigIsNoJson(Good):
    def config(self):
        return {"width": self.width, "offset": (self.offset,)}


class ForgetsItsPreparation(Good):
    def config(self):
        return {"width": self.width}

    def collate(self, items):
        return {"signals": torch.stack(list(items)) - (self.offset or 0.0)}


class StateOutsideOfItsModule(Good):
    def __init__(self, **options):
        super().__init__(**options)
        self.scale = torch.randn(1)

    def forward(self, batch):
        return super().forward(batch) * self.scale


class FrozenButDrawn(Good):
    frozen = True

    def __init__(self, *, width=4, offset=0.5):
        super().__init__(width=width, offset=offset)


class ReaderWithFunction(SignalReader):
    def __init__(self) -> None:
        self.after = lambda item: item


class ReaderWithModule(SignalReader):
    def __init__(self) -> None:
        self.net = nn.Linear(1, 1)


class ReaderInPlace(SignalReader):
    def read(self, source):
        source *= 2
        return super().read(source)


class ReaderThatTakesAll(SignalReader):
    def read(self, source):
        return torch.from_numpy(np.nan_to_num(source))


class ReaderThatTakesText(SignalReader):
    takes_text = True


def reading(reader: type[Reader]) -> type[Tower]:
    """The good tower with another reader."""
    return type(f"With{reader.__name__}", (Good,), {"reader": lambda self: reader()})


BROKEN = [
    (Nameless, "test_declares_modality_width_and_license"),
    (AnotherWidth, "test_features_are_one_finite_row_per_item"),
    (NotFinite, "test_features_are_one_finite_row_per_item"),
    (AllAlike, "test_different_sources_get_different_features"),
    (DependsOnTheBatch, "test_a_batch_equals_its_items_one_by_one"),
    (Sorted, "test_a_batch_equals_its_items_one_by_one"),
    (Noisy, "test_the_same_items_give_the_same_features"),
    (ChangesItems, "test_items_are_not_changed"),
    (ListOfNumbers, "test_a_batch_is_made_of_tensors_on_the_cpu"),
    (Unseeded, "test_new_weights_depend_only_on_the_seed"),
    (Detached, "test_a_tower_that_trains_gets_a_gradient"),
    (AugmentsByTorchsOwn, "test_augmenting_draws_only_from_the_generator"),
    (AugmentsInPlace, "test_augmenting_draws_only_from_the_generator"),
    (NoGradientToRaw, "test_raw_tensors_get_a_gradient"),
    (ForgetsAnOption, "test_its_config_builds_it_again"),
    (ConfigIsNoJson, "test_its_config_builds_it_again"),
    (ForgetsItsPreparation, "test_loaded_it_gives_the_features_of_the_saved_one"),
    (StateOutsideOfItsModule, "test_loaded_it_gives_the_features_of_the_saved_one"),
    (FrozenButDrawn, "test_loaded_it_gives_the_features_of_the_saved_one"),
    (reading(ReaderWithFunction), "test_the_reader_can_be_sent_to_a_worker"),
    (reading(ReaderWithModule), "test_the_reader_holds_no_tensors_and_no_modules"),
    (reading(ReaderInPlace), "test_reading_does_not_change_a_source"),
    (reading(ReaderThatTakesText), "test_takes_text_only_if_its_sources_are_strings"),
    (reading(ReaderThatTakesAll), "test_a_bad_source_gives_a_bad_item_with_a_reason"),
]


@pytest.mark.parametrize(("tower", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_tower_fails_the_right_test(tower, test, tmp_path):
    suite = type("Suite", (TestGood,), {"tower_class": tower})()
    made = suite.prepared().eval()
    with pytest.raises(FAILURES):
        run_test(suite, test, tower=made, reader=made.reader(), tmp_path=tmp_path)


def test_every_test_of_the_suite_is_failed_by_a_broken_tower():
    assert list_tests(TowerContract) == {test for _, test in BROKEN}


def test_gradients_to_raw_tensors_are_tested_only_if_declared():
    suite = type("Suite", (TestGood,), {"differentiable": False})()
    with pytest.raises(pytest.skip.Exception):
        suite.test_raw_tensors_get_a_gradient(NoGradientToRaw())


def test_a_failing_assertion_of_a_suite_shows_its_values():
    with pytest.raises(AssertionError, match=r"torch.Size\(\[3, 4\]\) == \(3, 5\)"):
        TestGood().test_features_are_one_finite_row_per_item(AnotherWidth(width=5, offset=0.0))
