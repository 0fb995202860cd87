"""The Python tokenizer gives the same tokens as the Java one, which is the reference, and as written by hand."""

from __future__ import annotations

import itertools
import random
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core.errors import C3Error, NotInstalled, WrongCall
from c3core.metrics import ptb_tokenizer
from c3core.metrics.java import find_java
from c3core.metrics.tokenizer import tokenize
from tests.helpers.fake_java import KEEP_ARGUMENTS, put_java

needs_java = pytest.mark.skipif(
    find_java() is None or find_spec("pycocoevalcap") is None, reason="needs java and pycocoevalcap"
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
def test_the_python_tokenizer_by_hand(sentence: str) -> None:
    assert tokenize([sentence], tokenizer="python") == ([BY_HAND[sentence]], "ptb-like (python)")


@needs_java
def test_the_java_tokenizer_by_hand() -> None:
    assert tokenize(list(BY_HAND), tokenizer="ptb") == (list(BY_HAND.values()), "ptb (java)")


@needs_java
def test_the_tokenizer_of_coco_by_hand() -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    expected = {sentence: tokens for sentence, tokens in BY_HAND.items() if sentence.strip()}  # it refuses an empty one
    captions = {number: [{"caption": sentence}] for number, sentence in enumerate(expected)}
    assert [tokens for (tokens,) in PTBTokenizer().tokenize(captions).values()] == list(expected.values())


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
    every = sentences()
    by_java, by_python = tokenize(every, tokenizer="ptb")[0], tokenize(every, tokenizer="python")[0]
    different = [(s, a, b) for s, a, b in zip(every, by_java, by_python, strict=True) if a != b]
    assert len(every) > 10_000
    assert not different, different[:5]


@pytest.mark.parametrize("tokenizer", ["python", pytest.param("ptb", marks=needs_java)])
def test_a_sentence_does_not_depend_on_the_next_one(tokenizer: str) -> None:
    # Java would join the first two ("c." before "The" ends a sentence), and miscount the lines of the others.
    breaks = [
        "vitamin C.",
        "The end",
        "",
        "one\ntwo\r\nthree",
        "a\u2028b\u2029c\x85d\x0be\x0cf",
        "\ud800 x",
        "",
        "\x00a",
        "last",
    ]
    expected = ["vitamin c.", "the end", "", "one two three", "a b c d e f", "x", "", "a", "last"]
    assert tokenize(breaks, tokenizer=tokenizer)[0] == expected  # type: ignore[arg-type]
    assert tokenize([], tokenizer=tokenizer)[0] == []  # type: ignore[arg-type]


def test_very_long_sentences_are_quick() -> None:
    long = ["a" * 50_000, "a-" * 5_000, "it's " * 5_000, "1,2." * 3_000, "<a b" * 2_000, "(" * 5_000, "a.b@" * 2_000]
    tokens, _ = tokenize(long, tokenizer="python")
    assert tokens[2].split() == ["it", "'s"] * 5_000


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_lower_case_tokens_without_punctuation(text: str) -> None:
    (line,), _ = tokenize([text], tokenizer="python")
    assert line == line.lower()
    assert not ptb_tokenizer.PUNCTUATION.intersection(line.split(" "))
    assert "\n" not in line


def test_an_unknown_tokenizer() -> None:
    with pytest.raises(WrongCall, match="no tokenizer is called 'spacy'"):
        tokenize(["a"], tokenizer="spacy")  # type: ignore[arg-type]


def test_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tokenize(["It's."]) == (["it 's"], "ptb-like (python)")
    with pytest.raises(NotInstalled, match="needs Java"):
        tokenize(["It's."], tokenizer="ptb")


@pytest.mark.skipif(find_spec("pycocoevalcap") is None, reason="needs pycocoevalcap")
def test_java_gets_the_options_of_coco_and_a_line_between_sentences(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_java(monkeypatch, tmp_path, KEEP_ARGUMENTS.format(folder=tmp_path) + f"tee {tmp_path / 'lines'}")
    assert tokenize(["a", "", "b c"]) == (["a", "", "b c"], "ptb (java)")
    assert (tmp_path / "lines").read_text() == "a\nx\n\nx\nb c\nx\n"
    option, jar, *others = (tmp_path / "arguments").read_text().splitlines()
    assert (option, Path(jar).name) == ("-cp", "stanford-corenlp-3.4.1.jar")
    assert Path(jar).is_file()
    assert others == ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", "-encoding", "UTF-8"]


@pytest.mark.skipif(find_spec("pycocoevalcap") is None, reason="needs pycocoevalcap")
def test_a_java_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_java(monkeypatch, tmp_path, "exec sleep 60")
    with pytest.raises(C3Error, match=r"ptb tokenizer took longer than 0.3 s\. Or use the python tokenizer\."):
        tokenize(["a"], timeout=0.3)


@pytest.mark.skipif(find_spec("pycocoevalcap") is None, reason="needs pycocoevalcap")
@pytest.mark.parametrize(
    "script", [r"cat > /dev/null; printf 'a\nx\nb\nx\n'; exit 3", "cat > /dev/null; echo one line"]
)
def test_a_java_that_fails_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    put_java(monkeypatch, tmp_path, script)
    with pytest.raises(C3Error, match=r"failed .* of 2 sentences.*python tokenizer"):
        tokenize(["a", "b"], tokenizer="ptb")
