"""Sources that are repeated in a row are embedded once, and each gets its own row."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from c3core.data.sources import Source
from c3core.embedding.embedder import embed
from c3core.embedding.workers import LONGEST_RUN, deduplicate
from tests.helpers.words import WordEncoder


@given(st.lists(st.sampled_from("ab"), max_size=300))
def test_runs_hold_every_source_in_order(letters: list[str]) -> None:
    sources = [Source(str(number), letter) for number, letter in enumerate(letters)]
    found = list(deduplicate(sources))
    assert [source for run in found for source in run] == sources
    assert all(1 <= len(run) <= LONGEST_RUN and len({source.source for source in run}) == 1 for run in found)
    assert all(len(one) == LONGEST_RUN or one[0].source != other[0].source for one, other in pairwise(found))


def test_a_store_has_a_row_for_each_source_and_the_encoder_sees_each_run_once(tmp_path: Path) -> None:
    texts = [text for text in ("one", "bad 1", "two", "three") for _ in range(5)] + ["one"] * (LONGEST_RUN + 3)
    encoder, seen = WordEncoder(), []
    before = encoder.embed
    encoder.embed = lambda items: seen.extend(items) or before(items)  # type: ignore[method-assign]
    store = embed(
        encoder, [Source(str(n), text) for n, text in enumerate(texts)], tmp_path / "store", batch_size=2, quiet=True
    )
    good = [(str(n), text) for n, text in enumerate(texts) if not text.startswith("bad")]
    batch = next(store.batches())
    assert list(zip(batch.ids, batch.sources, strict=True)) == good
    assert [error.id for error in store.errors()] == ["5", "6", "7", "8", "9"]
    assert seen == [["one"], ["two"], ["three"], ["one"], ["one"]]
    alone = embed(WordEncoder(), [Source(name, text) for name, text in good], tmp_path / "alone", quiet=True)
    assert (alone.embeddings() - store.embeddings()).abs().max() == 0


def test_objects_are_the_same_by_identity() -> None:
    one, other = [1], [1]
    stream = [Source(str(n), thing) for n, thing in enumerate((one, one, other, Path("a"), Path("a"), "a"))]
    assert [[source.id for source in run] for run in deduplicate(stream)] == [["0", "1"], ["2"], ["3", "4"], ["5"]]
