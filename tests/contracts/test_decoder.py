"""What the base class gives to every decoder: batches, generators, eval mode, settings, options, checks, files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from c3core import C3Error, Decoder, GenerationOptions, Reader
from c3core.contracts import DecoderSettings, DecoderState
from c3core.errors import WrongCall


class NumberReader(Reader):
    def read(self, source: object) -> Tensor:
        return torch.tensor([float(source)])  # type: ignore[arg-type]


class Options(GenerationOptions):
    scale: float = 1.0
    noise: float = 0.0


class Settings(DecoderSettings):
    width: int = Field(4, ge=1)
    weight: float = Field(1.0, ge=0)


class State(DecoderState):
    steps: int = Field(ge=0)


class Adder(Decoder):
    """Adds the entries of a condition up, by a layer that is learned."""

    name, modality, license = "adder", "number", "own"
    settings_class, options_class, state_class = Settings, Options, State
    trainable_options = frozenset({"weight"})
    settings: Settings

    def _build(self, targets: Iterable[Any]) -> None:
        self.first = float(next(iter(targets), torch.zeros(1)))
        self.net = nn.Sequential(nn.Linear(self.condition_dim, 1), nn.Dropout(0.5))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.sizes: list[int] = []

    def reader(self) -> Reader:
        return NumberReader()

    def collate(self, targets: list[Tensor]) -> Tensor:
        return torch.stack(targets).to(self.device)

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        conditions = self.check_conditions(conditions, len(batch))
        return self.settings.weight * (self.net(conditions) - batch).square().mean()

    def _generate(self, conditions: Tensor, options: Options, generators: list[torch.Generator]) -> list[float]:
        assert torch.is_inference_mode_enabled()
        assert not self.net.training
        self.sizes.append(len(conditions))
        noise = torch.cat([torch.randn(1, generator=generator) for generator in generators])
        found: list[float] = (self.net(conditions)[:, 0] * options.scale + options.noise * noise).tolist()
        return found

    def _state(self) -> State:
        return State(steps=7)

    def _load_weights(self, folder: Path, state: State) -> None:
        super()._load_weights(folder, state)
        self.steps = state.steps


def prepared(**settings: Any) -> Adder:
    torch.manual_seed(0)
    decoder = Adder(2, device="cpu", **settings)
    decoder.prepare([torch.tensor([3.0])])
    return decoder


ROWS = torch.randn(7, 2, generator=torch.Generator().manual_seed(1))


# ---- training


def test_there_is_one_objective_over_what_wants_a_gradient() -> None:
    decoder = prepared()
    (objective,) = decoder.objectives()
    assert (objective.name, objective.every, objective.optimizer) == ("loss", 1, {})
    assert {id(p) for p in objective.parameters} == {id(p) for p in decoder.net.parameters()}
    assert objective.loss(ROWS[:1], decoder.collate([decoder.reader()(3)])).requires_grad


def test_the_network_is_made_once_from_the_targets() -> None:
    decoder = prepared()
    assert decoder.first == 3
    before = decoder.net[0].weight
    decoder.prepare([torch.tensor([4.0])])
    assert decoder.first == 3
    assert decoder.net[0].weight is before


def test_nothing_works_before_prepare(tmp_path: Path) -> None:
    decoder = Adder(2)
    for use in (
        lambda: decoder.generate(ROWS),
        lambda: decoder.loss(ROWS, torch.zeros(7, 1)),
        lambda: decoder.save(tmp_path),
    ):
        with pytest.raises(C3Error, match="prepare"):
            use()


def test_the_device_holds_before_there_are_weights() -> None:
    decoder = Adder(2, device="cpu").to("meta")
    decoder.prepare([])
    assert decoder.device == decoder.net[0].weight.device == torch.device("meta")


# ---- generating


def test_conditions_go_in_batches_and_outputs_keep_their_order() -> None:
    decoder = prepared()
    whole = decoder.generate(ROWS, {"batch_size": 64})
    parts = decoder.generate(ROWS, {"batch_size": 3})
    assert decoder.sizes == [7, 3, 3, 1]
    assert parts == pytest.approx(whole)
    assert whole == pytest.approx(decoder.eval().net(ROWS)[:, 0].tolist())
    assert decoder.generate(ROWS[:0]) == []


def test_the_noise_of_a_row_does_not_depend_on_its_batch() -> None:
    decoder = prepared()

    def draw(size: int, seed: int) -> list[float]:
        options = {"batch_size": size, "scale": 0, "noise": 1}
        return decoder.generate(ROWS, options, generator=torch.Generator().manual_seed(seed))

    assert draw(2, 0) == draw(7, 0) != draw(7, 1)
    assert len(set(draw(7, 0))) == 7
    one = torch.Generator().manual_seed(0)
    assert [decoder.generate(row[None], {"scale": 0, "noise": 1}, generator=one)[0] for row in ROWS] == draw(7, 0)


def test_each_part_gets_its_mode_back() -> None:
    decoder = prepared().train()
    decoder.net[0].eval()
    decoder.generate(ROWS)
    assert [part.training for part in decoder.modules()] == [True, True, False, True]


class Wrong(Adder):
    outputs: Any = None

    def _generate(self, conditions: Tensor, options: Options, generators: list[torch.Generator]) -> list[float]:
        return self.outputs


@pytest.mark.parametrize("outputs", [[1.0], (1.0, 2.0), None])
def test_anything_but_a_list_of_one_output_each_is_refused(outputs: Any) -> None:
    decoder = Wrong(2, device="cpu")
    decoder.prepare([])
    decoder.outputs = outputs
    with pytest.raises(C3Error, match="for 2 conditions"):
        decoder.generate(ROWS[:2])


# ---- settings and options


@pytest.mark.parametrize("given", [None, {}, {"scale": 2}, Options(scale=2)], ids=repr)
def test_options_of_generate_come_in_any_form(given: Any) -> None:
    options = prepared().check_options(given)
    assert isinstance(options, Options)
    assert options.scale == (2 if given else 1)


def test_settings_may_hold_options_of_generating(tmp_path: Path) -> None:
    decoder = prepared(generation={"scale": 3})
    plain = prepared().generate(ROWS)
    decoder.load_state_dict(prepared().state_dict())
    assert decoder.generate(ROWS) == pytest.approx([3 * value for value in plain])
    assert decoder.generate(ROWS, {"scale": 1}) == pytest.approx(plain)
    assert decoder.check_options(Options(noise=1)) == Options(noise=1)  # whole options are taken as they are
    decoder.save(tmp_path)
    assert Adder.load(tmp_path, device="cpu").check_options(None) == Options(scale=3)
    decoder.reconfigure({"generation": {"scale": 2}})
    assert decoder.check_options({"noise": 1}) == Options(scale=2, noise=1)
    for wrong in (
        lambda: Adder(2, generation={"scaale": 1}),
        lambda: decoder.reconfigure({"generation": {"scale": "x"}}),
    ):
        with pytest.raises(WrongCall, match="generation in the settings of decoder 'adder'"):
            wrong()


def test_options_of_the_base_class_are_taken_over() -> None:
    assert prepared().check_options(GenerationOptions(batch_size=3)) == Options(batch_size=3)


def test_wrong_options_and_settings_are_named() -> None:
    with pytest.raises(WrongCall, match=r"options of decoder 'adder': scaale: no such field, did you mean scale"):
        prepared().generate(ROWS, {"scaale": 1})
    with pytest.raises(WrongCall, match=r"settings of decoder 'adder': widht: no such field, did you mean width"):
        Adder(2, widht=1)
    with pytest.raises(WrongCall, match="condition_dim"):
        Adder(0)


def test_a_further_training_may_change_trainable_options_and_nothing_else() -> None:
    decoder = prepared(width=5)
    decoder.reconfigure({"weight": 2, "width": 5})
    assert decoder.settings == Settings(width=5, weight=2)
    for wrong in ({"weight": 3, "width": 8}, {"weight": -1}, {"wieght": 2}):
        with pytest.raises(WrongCall):
            decoder.reconfigure(wrong)
    assert decoder.settings == Settings(width=5, weight=2)


# ---- conditions


@pytest.mark.parametrize("shape", [(2,), (1, 3), (1, 2, 1), (0, 3)])
def test_conditions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongCall, match=r"decoder 'adder' takes conditions of shape \(n, 2\), got"):
        prepared().check_conditions(torch.ones(shape))


@pytest.mark.parametrize("wrong", [[[0.0, 1.0]], torch.zeros(1, 2, dtype=torch.int64)], ids=["list", "int"])
def test_conditions_are_a_tensor_of_floating_point_numbers(wrong: Any) -> None:
    with pytest.raises(WrongCall, match="floating-point tensor"):
        prepared().check_conditions(wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_conditions_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(C3Error, match="NaN or infinite"):
        prepared().check_conditions(torch.tensor([[1.0, value]]))


def test_each_target_needs_one_condition() -> None:
    with pytest.raises(WrongCall, match="1 conditions for 2 targets"):
        prepared().check_conditions(torch.ones(1, 2), 2)


def test_conditions_come_to_the_decoders_device() -> None:
    assert prepared().to("meta").check_conditions(torch.ones(1, 2)).device.type == "meta"


# ---- files


def test_a_saved_decoder_loads_with_its_settings_state_and_license(tmp_path: Path) -> None:
    decoder = prepared(width=5)
    decoder.license = "mit"
    decoder.save(tmp_path)
    assert json.loads((tmp_path / "decoder.json").read_text()) == {
        "condition_dim": 2,
        "license": "mit",
        "settings": {"generation": {}, "width": 5, "weight": 1.0},
        "state": {"steps": 7},
    }
    loaded = Adder.load(tmp_path, device="cpu")
    assert (loaded.settings, loaded.license, loaded.steps) == (decoder.settings, "mit", 7)
    assert not loaded.training
    assert loaded.generate(ROWS) == decoder.generate(ROWS)
    loaded.prepare([])
    assert loaded.generate(ROWS) == decoder.generate(ROWS)


@pytest.mark.parametrize(
    "change",
    [
        {"condition_dim": 0},
        {"condition_dim": "2"},
        {"condition_dim": 1 << 40},
        {"settings": {"widht": 2}},
        {"settings": None},
        {"state": {}},
        {"state": {"steps": -1}},
        {"state": {"steps": 7.5}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_changed_decoder_json_is_refused_by_its_field(tmp_path: Path, change: dict[str, Any]) -> None:
    prepared().save(tmp_path)
    path = tmp_path / "decoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(C3Error, match=next(iter(change))) as caught:
        Adder.load(tmp_path)
    assert not isinstance(caught.value, WrongCall)


def test_pickles_in_the_folder_are_refused(tmp_path: Path) -> None:
    prepared().save(tmp_path)
    (tmp_path / "more.pt").write_bytes(b"\x80\x04.")
    with pytest.raises(C3Error, match="pickled"):
        Adder.load(tmp_path)


def test_a_decoder_without_a_suffix_writes_no_files(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="decoder 'adder' prints its outputs"):
        prepared().write(1.0, tmp_path / "a.txt")
