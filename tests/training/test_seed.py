"""Seeds that are mixed from several numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from c3core.training.seed import seed_of


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=4))
def test_a_seed_has_63_bits_and_depends_on_every_part(parts: list[int]) -> None:
    seed = seed_of(*parts)
    assert 0 <= seed < 2**63
    for place in range(len(parts)):
        assert seed != seed_of(*parts[:place], parts[place] + 1, *parts[place + 1 :])
