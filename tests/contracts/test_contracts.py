"""What the base classes give to every plugin: batches, unit norm, bad sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from c3core import BadItem, BadItems, C3Error, Decoder, Encoder, Reader, Space, WrongCall


class NumberReader(Reader):
    def read(self, source: object) -> Tensor:
        number = float(source)  # type: ignore[arg-type]
        if number < 0:
            raise ValueError
        return torch.tensor([number, 1.0], dtype=torch.float64)


class Numbers(Encoder):
    """A number x as the direction (x, 1), three times as long."""

    space, modality, dim, fingerprint = "numbers", "number", 2, "numbers-1"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def reader(self) -> Reader:
        return NumberReader()

    def embed(self, items: list[Tensor]) -> Tensor:
        self.batches.append(len(items))
        return 3 * torch.stack(items)


def unit(*numbers: float) -> Tensor:
    """By hand, in float64."""
    rows = torch.tensor([[number, 1.0] for number in numbers], dtype=torch.float64).reshape(-1, 2)
    return (rows / (rows**2).sum(1, keepdim=True).sqrt()).float()


def test_a_reader_gives_an_item_or_says_why_not():
    read = NumberReader()
    assert torch.equal(read("2"), torch.tensor([2.0, 1.0], dtype=torch.float64))
    assert read("x") == BadItem("x", "could not convert string to float: 'x'")
    assert read(-1) == BadItem("<int>", "ValueError")  # an error without a message is named by its type
    assert str(BadItem("a.jpg", "torn")) == "a.jpg: torn"
    assert str(BadItem(" ", "the text is empty")) == "(empty): the text is empty"
    assert read(Path("a/b")).source == str(Path("a/b"))
    assert str(read("x")) == "x: could not convert string to float: 'x'"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_encode_reads_in_batches_and_keeps_the_order(batch_size):
    encoder, numbers = Numbers(), [0.0, 3.0, 4.0, 0.5, 2.0]
    found = encoder.encode(numbers, batch_size=batch_size)
    torch.testing.assert_close(found, unit(*numbers), rtol=0, atol=1e-6)
    assert found.dtype == torch.float32
    assert sum(encoder.batches) == 5
    assert max(encoder.batches) == min(batch_size, 5)


def test_a_stream_is_read_no_further_than_it_is_used():
    taken: list[int] = []

    def stream() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    batch = next(Numbers().encode_batches(stream(), batch_size=4))
    assert taken == [0, 1, 2, 3]
    assert batch.index == [0, 1, 2, 3]


def test_norms_are_those_before_normalising():
    (batch,) = Numbers().encode_batches([0, 1])
    torch.testing.assert_close(batch.norms, torch.tensor([3.0, 3 * 2**0.5]), rtol=0, atol=1e-6)
    assert batch.norms.dtype == torch.float32


def test_bad_sources_are_reported_by_position_after_all_were_tried():
    encoder = Numbers()
    with pytest.raises(BadItems) as caught:
        encoder.encode(["x", 1, 2, -3, 4, "y", "z"], batch_size=2)
    assert [(position, item.source) for position, item in caught.value.bad] == [
        (0, "x"),
        (3, "<int>"),
        (5, "y"),
        (6, "z"),
    ]
    torch.testing.assert_close(caught.value.embeddings, unit(1, 2, 4), rtol=0, atol=1e-6)
    assert "x: could not convert" in str(caught.value)
    assert "and 1 more" in str(caught.value)
    assert isinstance(caught.value, C3Error)
    assert encoder.batches == [1, 1, 1]  # nothing is embedded for the last batch, which is bad throughout


def test_positions_count_the_whole_stream():
    batches = list(Numbers().encode_batches([1, "x", 2, 3, "y"], batch_size=2))
    assert [batch.index for batch in batches] == [[0], [2, 3], []]
    assert [[position for position, _ in batch.bad] for batch in batches] == [[1], [], [4]]
    assert batches[2].embeddings.shape == (0, 2)


def test_nothing_gives_no_rows():
    assert Numbers().encode([]).shape == (0, 2)
    assert Numbers().encode(iter(())).shape == (0, 2)


def test_all_bad_gives_no_rows_beside_the_error():
    with pytest.raises(BadItems) as caught:
        Numbers().encode(["x", "y"])
    assert caught.value.embeddings.shape == (0, 2)


def test_one_string_is_no_list_of_sources():
    with pytest.raises(C3Error, match=r"sources must be a list, not one string. Write \[source\]"):
        Numbers().encode("12")


def test_swapped_arguments_and_an_open_file_are_refused_at_once(tmp_path):
    space = Space("numbers", 2, {"number": Numbers})
    with pytest.raises(
        WrongCall, match=r"a modality is a string \(number\), not a list. Write encode\(sources, modality\)"
    ):
        space.encode("number", ["1"])
    (tmp_path / "numbers").write_text("1\n2\n")
    with open(tmp_path / "numbers") as file, pytest.raises(WrongCall, match="not an open file. Give its path"):
        space.encode(file, "number")


class Mistaken(Numbers):
    def embed(self, items: list[Tensor]) -> Tensor:
        return torch.stack(items).flot()  # type: ignore[operator]


class MistakenReader(Reader):
    def read(self, source: object) -> Tensor:
        return torch.tensor([flot(source)])  # type: ignore[name-defined]  # noqa: F821


def test_a_mistake_in_the_code_of_a_plugin_comes_with_its_line():
    line = MistakenReader.read.__code__.co_firstlineno + 1
    assert MistakenReader()("1").why == f"NameError: name 'flot' is not defined ({__file__}, line {line})"
    with pytest.raises(C3Error, match=rf"AttributeError: .*flot.* \({__file__}, line \d+\)\. Check the model"):
        Mistaken().encode([1, 2])


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_holds_at_least_one(batch_size):
    with pytest.raises(C3Error, match="batch_size must be at least 1"):
        Numbers().encode([1], batch_size=batch_size)


def test_encode_has_no_gradient_and_embed_has():
    class Scaled(Numbers):
        scale = nn.Parameter(torch.ones(()))

        def embed(self, items: list[Tensor]) -> Tensor:
            return self.scale * super().embed(items)

    encoder = Scaled()
    assert not encoder.encode([1]).requires_grad
    assert encoder.embed([encoder.reader()(1)]).requires_grad


def test_an_item_that_the_encoder_refuses_is_bad_and_the_rest_of_its_batch_is_not():
    class Picky(Numbers):
        def embed(self, items: list[Tensor]) -> Tensor:
            if any(item[0] == 5 for item in items):
                raise RuntimeError("no fives")
            rows = super().embed(items)
            odd = torch.tensor([[0.0], [float("nan")]], dtype=torch.float64)
            return torch.stack(
                [
                    row * odd[int(item[0] - 6)] if item[0] in (6, 7) else row
                    for row, item in zip(rows, items, strict=True)
                ]
            )

    (batch,) = Picky().encode_batches([1, 5, -1, 6, 7, 2])
    assert batch.index == [0, 5]
    torch.testing.assert_close(batch.embeddings, unit(1, 2))
    why = ["no fives", "ValueError", "its embedding is zero", "its embedding is not finite"]
    assert batch.bad == [(at, BadItem("<int>", reason)) for at, reason in enumerate(why, start=1)]


class Broken(Numbers):
    """Fails on numbers above `limit`."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def embed(self, items: list[Tensor]) -> Tensor:
        if any(item[0] > self.limit for item in items):
            raise ValueError("no padding token\nset one")
        return super().embed(items)


def test_a_model_that_fails_on_every_item_is_named_once_and_no_item_is():
    with pytest.raises(
        C3Error, match=r"the number encoder of 'numbers' fails on every item: no padding token\. Check"
    ) as caught:
        Broken(limit=-1).encode([1, 2, 3])
    assert not isinstance(caught.value, BadItems)


def test_items_are_to_blame_once_the_model_has_embedded_one():
    encoder = Broken(limit=5)
    batches = list(encoder.encode_batches([1, 2, 6, 7, 8, 9], batch_size=2))
    assert [len(batch.bad) for batch in batches] == [0, 2, 2]
    (alone,) = Broken(limit=5).encode_batches([6])  # of one item nobody can tell
    assert [item.why.splitlines()[0] for _, item in alone.bad] == ["no padding token"]


def test_of_too_little_memory_an_item_is_told_from_a_batch_that_is_too_large():
    class Narrow(Numbers):
        def embed(self, items: list[Tensor]) -> Tensor:
            if len(items) > 2 or any(item[0] > 100 for item in items):
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().embed(items)

    (part,) = Narrow().encode_batches([3, 1000, 4], batch_size=3)
    assert part.index == [0, 2]
    assert "can't allocate memory" in part.bad[0][1].why
    for none_fits in ([3, 5, 4], [1000, 2000, 3000]):
        with pytest.raises(C3Error, match="no memory for a batch of 3: use a smaller batch_size"):
            list(Narrow().encode_batches(none_fits, batch_size=3))


def test_a_batch_that_failed_is_let_go_before_its_items_are_tried_alone():
    class Held:
        alive = 0

        def __init__(self) -> None:
            type(self).alive += 1

        def __del__(self) -> None:
            type(self).alive -= 1

    class Full(Numbers):
        def embed(self, items: list[Tensor]) -> Tensor:
            alone, held = Held.alive == 0, Held()
            if len(items) > 1 or not alone:
                raise RuntimeError("can't allocate memory")
            del held
            return super().embed(items)

    with pytest.raises(C3Error, match="use a smaller batch_size"):  # each alone has room
        list(Full().encode_batches([3, 5, 4], batch_size=3))
    (part,) = Full().encode_batches([3], batch_size=1)
    assert part.index == [0]


def test_a_space_loads_an_encoder_when_first_asked_for_and_once():
    made: list[Numbers] = []

    def make() -> Encoder:
        made.append(Numbers())
        return made[-1]

    space = Space("numbers", 2, {"number": make, "other": make})
    assert space.modalities == ("number", "other")
    assert made == []
    assert space.encoder("number") is space.encoder("number")
    assert len(made) == 1
    torch.testing.assert_close(space.encode([1, 2], "number"), unit(1, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("modality", "dim"), [("text", 2), ("number", 3)])
def test_an_encoder_of_another_modality_or_dimension_than_its_space_says_is_named(modality, dim):
    space = Space("numbers", dim, {modality: Numbers})
    with pytest.raises(
        C3Error,
        match=f"the {modality} encoder of space 'numbers' is of number with 2 dimensions, not of {modality} with {dim}",
    ):
        space.encoder(modality)


class Weighted(Numbers):
    """Numbers that go through a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)


def test_an_encoder_moves_its_modules():
    encoder = Weighted()
    assert encoder.device == torch.device("cpu")
    assert encoder.to("meta") is encoder
    assert encoder.device == encoder.layer.weight.device == torch.device("meta")
    assert Numbers().to("meta").device == torch.device("cpu")  # it has nothing to move


def test_a_space_moves_the_encoders_that_are_loaded_and_those_that_will_be():
    space = Space("numbers", 2, {"number": Weighted, "again": lambda: _named(Weighted(), "again")})
    assert space.device is None
    before = space.encoder("number")
    assert space.device == torch.device("cpu")
    assert space.to("meta") is space
    assert {before.device, space.encoder("again").device, space.device} == {torch.device("meta")}


def _named(encoder: Encoder, modality: str) -> Encoder:
    encoder.modality = modality
    return encoder


def test_an_unknown_modality_offers_near_ones():
    space = Space("numbers", 2, {"number": Numbers})
    with pytest.raises(C3Error, match=r"space 'numbers' has no modality 'numbr': did you mean number\?"):
        space.encode([1], "numbr")


@pytest.mark.parametrize("contract", [Encoder, Decoder, Reader], ids=lambda c: c.__name__)
def test_a_contract_cannot_be_made_without_its_methods(contract):
    with pytest.raises(TypeError, match="abstract"):
        contract()
