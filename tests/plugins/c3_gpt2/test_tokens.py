from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from c3_gpt2.tokens import decode, encode, train_tokenizer, until_end

TOKENIZER = train_tokenizer(["a red circle", "a red square", "a green circle"] * 3, 300)
END = TOKENIZER.eos_token_id
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd"), max_size=40)


def test_the_vocabulary_is_all_bytes_the_end_and_subwords() -> None:
    assert 257 < len(TOKENIZER) <= 300
    assert len(TOKENIZER("a red circle")["input_ids"]) == 3


def test_training_twice_gives_the_same_tokenizer() -> None:
    lines = [f"word{i % 7} and word{i % 11} with word{i % 13}" for i in range(200)]
    one, other = (train_tokenizer(iter(lines), 400).backend_tokenizer.to_str() for _ in range(2))
    assert one == other


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_any_text_comes_back(sentences: list[str]) -> None:
    tokens, cut = encode(TOKENIZER, sentences, END, 1000)
    assert cut == 0
    assert decode(TOKENIZER, tokens.ids, tokens.keep) == [" ".join(sentence.split()) for sentence in sentences]


def test_rows_are_padded_on_the_right_and_end_once() -> None:
    tokens, cut = encode(TOKENIZER, ["a red circle", "a"], END, 10)
    assert tokens.ids.shape == (2, 4)
    assert tokens.keep.tolist() == [[True] * 4, [True, True, False, False]]
    assert tokens.ids[0, 3] == tokens.ids[1, 1] == END
    assert (tokens.ids[tokens.keep] == END).sum() == 2
    assert cut == 0


def test_long_sentences_are_cut_and_still_end() -> None:
    tokens, cut = encode(TOKENIZER, ["a red circle", "a red", "a red circle a red circle"], END, 2)
    assert cut == 2
    assert tokens.ids.tolist() == [[*TOKENIZER("a red")["input_ids"], END]] * 3


@pytest.mark.parametrize("character", ["é", "犬", "\U0001f436"])
@pytest.mark.parametrize("spare", range(6))
def test_a_character_is_never_cut_in_its_middle(character: str, spare: int) -> None:
    """The tokenizer has a token for each byte of these characters."""
    size = len(character.encode())
    before = len(TOKENIZER("a red")["input_ids"])
    tokens, cut = encode(TOKENIZER, [f"a red{character}{character}"], END, before + spare)
    assert cut == (spare < 2 * size)
    assert decode(TOKENIZER, tokens.ids, tokens.keep) == ["a red" + character * min(2, spare // size)]
    ids = torch.tensor([TOKENIZER(f"a red{character}{character}")["input_ids"][: before + spare]])
    generated = decode(TOKENIZER, ids, torch.ones_like(ids, dtype=torch.bool))
    assert generated == ["a red" + character * min(2, spare // size)]


def test_nothing_is_left_of_a_first_character_that_is_cut() -> None:
    tokens, _ = encode(TOKENIZER, ["犬"], END, 2)
    assert decode(TOKENIZER, tokens.ids, tokens.keep) == [""]


def test_parts_by_length_hold_every_row_once_with_less_padding() -> None:
    sentences = ["a red circle a red circle", "a", "a red circle", "", "a red", "a a a a"]
    tokens, _ = encode(TOKENIZER, sentences, END, 99)
    parts = list(tokens.by_length(2))
    assert sorted(torch.cat([rows for rows, _ in parts]).tolist()) == list(range(6))
    for rows, part in parts:
        assert part.keep[:, -1].any(), "no column is all padding"
        for row, ids, keep in zip(rows, part.ids, part.keep, strict=True):
            assert ids[keep].tolist() == tokens.ids[row][tokens.keep[row]].tolist()
    assert sum(part.keep.numel() for _, part in parts) < tokens.keep.numel()


def test_a_spelled_out_end_is_text() -> None:
    tokens, _ = encode(TOKENIZER, ["a <|endoftext|> b"], END, 99)
    assert (tokens.ids == END).sum() == 1
    assert decode(TOKENIZER, tokens.ids, tokens.keep) == ["a <|endoftext|> b"]


def test_an_empty_sentence_is_its_end() -> None:
    tokens, _ = encode(TOKENIZER, [""], END, 5)
    assert tokens.ids.tolist() == [[END]]


def test_kept_is_up_to_and_with_the_first_end() -> None:
    ids = torch.tensor([[5, END, END, END], [5, 6, 7, 8], [END, 5, END, 6], [5, 6, 7, END]])
    assert until_end(ids, END).tolist() == [
        [True, True, False, False],
        [True, True, True, True],
        [True, False, False, False],
        [True, True, True, True],
    ]


def test_decoding_drops_control_characters_and_keeps_joined_emoji() -> None:
    family = "\U0001f468\u200d\U0001f469"
    ids = torch.tensor([TOKENIZER(f"a\x1b[31m\x00  red\n {family}")["input_ids"]])
    assert decode(TOKENIZER, ids, torch.ones_like(ids, dtype=torch.bool)) == [f"a [31m red {family}"]
