"""The tokenizer gives the same tokens as the one in Java that COCO runs, which is the reference, and as by hand."""

from __future__ import annotations

import itertools
import random
import shutil
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3_metrics.ptb_tokenizer import PUNCTUATION, tokenize

needs_java = pytest.mark.skipif(
    shutil.which("java") is None or find_spec("pycocoevalcap") is None, reason="needs java and pycocoevalcap"
)

BY_HAND = {
    "A man's dog, isn't it?": "a man 's dog is n't it",
    "Don't! They'll say \"no\"; we've gone...": "do n't they 'll say no we 've gone",
    "I cannot; gonna run.": "i can not gon na run",
    "A well-known T-shirt - in the mid-1980s": "a well-known t-shirt in the mid-1980s",
    "It costs $5.50 (or £4) at 10:30 a.m., 50% off!": "it costs $ 5.50 -lrb- or # 4 -rrb- at 10:30 a.m. 50 % off",
    "Mr. Smith of the U.S. lives on St. John St.": "mr. smith of the u.s. lives on st. john st.",
    "rock 'n' roll of the '90s, o'clock, O'Neill": "rock 'n' roll of the '90s o'clock o'neill",
    "the player number 1,000 and 1 1/2 cups": "the player number 1,000 and 1\u00a01/2 cups",
    "“Curly” ‘quotes’ – it’s a café… naïve": "curly quotes it 's a café naïve",
    "what?! no!! yes!": "what ?! no !! yes",
    "black&white AT&T R&amp;B [x] {y} #1 #tag @me": "black & white at&t r&b -lsb- x -rsb- -lcb- y -rcb- # 1 #tag @me",
    "a dog 😀 日本語 and/or ½": "a dog 日本語 and/or 1/2",
    "size X or XX? XXX-rated": "size x or xx xxx-rated",
    "it&apos;s a soft\u00adened fo\u00adcus": "it 's a softened focus",
    "   ": "",
    "": "",
    "...": "",
}


@pytest.mark.parametrize("sentence", BY_HAND)
def test_tokens_by_hand(sentence: str) -> None:
    assert tokenize(sentence) == BY_HAND[sentence]


def by_java(sentences: list[str]) -> list[str]:
    """The tokens of the package. It looks past the end of a sentence, but not past a word: "x" stands between two."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    apart = [line for sentence in sentences for line in (sentence, "x")]
    captions = {number: [{"caption": line}] for number, line in enumerate(apart)}
    return [tokens for (tokens,) in PTBTokenizer().tokenize(captions).values()][::2]


@needs_java
def test_the_tokens_of_coco_by_hand() -> None:
    expected = {sentence: tokens for sentence, tokens in BY_HAND.items() if sentence.strip()}  # it refuses an empty one
    assert by_java(list(expected)) == list(expected.values())


def sentences() -> list[str]:
    """Return captions, each with something that is not a plain word, and with random signs."""
    people = [
        "A man", "Two boys", "The dog's owner", "A woman (in red)", '"Bob"', "O'Neill", "She", "A 5-year-old",
        "Mr. Lee", "’Twas he who",
    ]  # fmt: skip
    do = [
        "isn't running", "can't sit", "they'd jump", "cannot see", "is gonna eat", "rides a T-shirt/hat",
        "holds 2 1/2 cups of", "won't", "wasn’t",
    ]  # fmt: skip
    what = [
        "the '90s car.", "a sign: \"No Parking!\"", "#23 & A&M", "$5.00, 10%", "at 3:45pm", "rock 'n' roll", "in the U.S.", "the letter B.", "co-op -- now",
        "café au lait…", "a cat;the dog", "his dogs' toys", "x-ray no. 5", "St. Mary's", "etc.", "a.m. or p.m.", "Ph.D. students", "ma'am?!", "a “star”",
        "½ of it", "1,000–2,000 £", "a_b@c.com", "www.shop.com", "black/white", "something....", "yes!!", "wow!wow", "end.Start", "a 35mm,f/2 lens", "'quoted'",
        "555-1234", "(555) 555-1234", "vs. them", "Inc. Co. Ltd.", "C++ and C#", "<b>bold</b>", ":) ;-)", "it`s", "12/05/2010", "* starred *", "a~b=c+d",
    ]  # fmt: skip
    plain = [" ".join(parts) for parts in itertools.product(people, do, what)]
    draw = random.Random(0)
    signs = [
        "'", '"', "-", ".", ",", "!", "?", "/", "(", ")", "’", "“", "–", "…", "'s", "n't", "&", ":", ";", " ", "1",
        "20", "é", "A", "s",
    ]  # fmt: skip
    for _ in range(4000):
        words = draw.choice(plain).split()
        for _ in range(draw.randint(1, 3)):
            i = draw.randrange(len(words))
            cut = draw.randint(0, len(words[i]))
            words[i] = words[i][:cut] + draw.choice(signs) + words[i][cut:]
        plain.append(" ".join(words))
    plain += [
        "".join(draw.choices(["a", "B", "man", "12", "s", " ", "'", ".", "-", ",", "!"], k=6)) for _ in range(3000)
    ]
    return plain


@needs_java
def test_both_agree_on_thousands_of_sentences() -> None:
    every = [sentence for sentence in sentences() if sentence.strip()]
    different = [(s, a, b) for s, a, b in zip(every, by_java(every), map(tokenize, every), strict=True) if a != b]
    assert len(every) > 10_000
    assert not different, different[:5]


def test_a_line_break_counts_as_a_space() -> None:
    breaks = ["vitamin C.", "one\ntwo\r\nthree", "a\u2028b\u2029c\x85d\x0be\x0cf", "\ud800 x", "\x00a"]
    assert list(map(tokenize, breaks)) == ["vitamin c.", "one two three", "a b c d e f", "x", "a"]


def test_very_long_sentences_are_quick() -> None:
    long = ["a" * 50_000, "a-" * 5_000, "it's " * 5_000, "1,2." * 3_000, "<a b" * 2_000, "(" * 5_000, "a.b@" * 2_000]
    assert [tokenize(sentence) for sentence in long][2].split() == ["it", "'s"] * 5_000


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_lower_case_tokens_without_punctuation(text: str) -> None:
    line = tokenize(text)
    assert line == line.lower()
    assert not PUNCTUATION.intersection(line.split(" "))
    assert "\n" not in line
