"""BLEU, ROUGE-L and CIDEr equal scores printed in papers, cases by hand, and plain formulas in float64."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from c3_metrics.captions import METRICS, caption_metrics
from c3core.errors import NotInstalled, WrongCall

pytestmark = pytest.mark.skipif(find_spec("pycocoevalcap") is None, reason="needs pycocoevalcap")


def score(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    return caption_metrics(candidates, references)


# --- scores printed in the papers of the metrics


def test_bleu_of_papineni_2002() -> None:
    seven = score(["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]])
    assert seven["bleu1"] == pytest.approx(100 * 2 / 7, abs=1e-4)
    references = [
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    ]
    first = score(
        ["It is a guide to action which ensures that the military always obeys the commands of the party"], [references]
    )
    assert first["bleu1"] == pytest.approx(100 * 17 / 18, abs=1e-4)
    assert first["bleu2"] == pytest.approx(100 * math.sqrt(17 / 18 * 10 / 17), abs=1e-4)
    second = score(
        ["It is to insure the troops forever hearing the activity guidebook that party direct"], [references]
    )
    brevity = math.exp(1 - 16 / 14)
    assert second["bleu1"] == pytest.approx(100 * brevity * 8 / 14, abs=1e-4)
    assert second["bleu2"] == pytest.approx(100 * brevity * math.sqrt(8 / 14 * 1 / 13), abs=1e-4)


def test_rouge_l_of_lin_2004() -> None:
    references = [["police killed the gunman"]]
    assert score(["police kill the gunman"], references)["rouge_l"] == pytest.approx(75)
    assert score(["the gunman kill police"], references)["rouge_l"] == pytest.approx(50)


# --- by hand


def test_rouge_1_is_the_f_measure_of_the_shared_words_with_the_reference_that_shares_most() -> None:
    # Of two words "the" one is shared. 2 · 3 / (5 + 4), and 2 · 1 / (5 + 1) with the other reference.
    scores = score(["the dog saw the cat"], [["the cat saw me", "dog"]])
    assert scores["rouge1"] == pytest.approx(100 * 6 / 9)
    assert score(["one", "a bird"], [["two"], ["a bird"]])["rouge1"] == pytest.approx(50)


def test_the_reference_itself_has_the_highest_scores() -> None:
    references = [["a red dog runs fast"], ["two cats sleep on sofas"], ["one bird sings by day"]]
    scores = score([reference for (reference,) in references], references)
    assert scores == pytest.approx(
        {"cider": 1000, "bleu1": 100, "bleu2": 100, "bleu3": 100, "bleu4": 100, "rouge1": 100, "rouge_l": 100}, abs=1e-4
    )


def test_cider_by_hand() -> None:
    # Each word has the weight log 2, because it is in at most one of the two documents; "a" has the weight 0. The first
    # candidate has one of its two weighted words in common with its reference and no pair; the second has its only
    # word in common, and is shorter by 1.
    scores = score(["a cat runs", "bird"], [["a dog runs"], ["a bird"]])
    first = (0.5 + 0 + 0 + 0) / 4
    second = (1 + 0 + 0 + 0) / 4 * math.exp(-1 / (2 * 36))
    assert scores["cider"] == pytest.approx(1000 * (first + second) / 2, abs=1e-6)


def test_one_item_has_no_cider() -> None:
    scores = score(["a dog runs fast"], [["a dog runs fast"]])
    assert scores["cider"] == 0
    assert scores["bleu4"] == pytest.approx(100, abs=1e-4)


def test_bleu_is_of_the_corpus_not_a_mean() -> None:
    scores = score(["a b c d", "x"], [["a b c d"], ["y"]])
    assert scores["bleu1"] == pytest.approx(100 * 4 / 5, abs=1e-4)
    assert scores["rouge_l"] == pytest.approx(50)


# --- plain formulas


def grams(sentence: str, k: int) -> Counter[tuple[str, ...]]:
    words = sentence.split()
    return Counter(tuple(words[i : i + k]) for i in range(len(words) - k + 1))


def plain_bleu(candidates: list[str], references: list[list[str]]) -> list[float]:
    hits, tries = np.zeros(4), np.zeros(4)
    candidate_length = reference_length = 0
    for candidate, several in zip(candidates, references, strict=True):
        length = len(candidate.split())
        candidate_length += length
        reference_length += min((len(one.split()) for one in several), key=lambda n: (abs(n - length), n))
        for k in range(4):
            own = grams(candidate, k + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for one in several:
                most |= grams(one, k + 1)
            hits[k] += (own & most).total()
            tries[k] += own.total()
    brevity = min(1.0, math.exp(1 - reference_length / candidate_length))
    return [100 * brevity * float(np.exp(np.log(hits[:k] / tries[:k]).mean())) for k in range(1, 5)]


def plain_rouge(candidates: list[str], references: list[list[str]]) -> float:
    def common(a: list[str], b: list[str]) -> int:
        table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
        for i, j in np.ndindex(len(a), len(b)):
            table[i + 1, j + 1] = table[i, j] + 1 if a[i] == b[j] else max(table[i, j + 1], table[i + 1, j])
        return int(table[-1, -1])

    values = []
    for candidate, several in zip(candidates, references, strict=True):
        lengths = [(common(candidate.split(), one.split()), len(one.split())) for one in several]
        precision, recall = max(n for n, _ in lengths) / len(candidate.split()), max(n / size for n, size in lengths)
        values.append((1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision) if precision * recall else 0.0)
    return 100 * float(np.mean(values))


def plain_cider(candidates: list[str], references: list[list[str]]) -> float:
    total = []
    for k in range(1, 5):
        every = sorted(
            {g for text in [*candidates, *(one for several in references for one in several)] for g in grams(text, k)}
        )
        position = {g: i for i, g in enumerate(every)}

        def vector(text: str, k: int = k, position: dict[tuple[str, ...], int] = position) -> np.ndarray[Any, Any]:
            row = np.zeros(len(position))
            for g, count in grams(text, k).items():
                row[position[g]] = count
            return row

        documents = np.array([np.max([vector(one) > 0 for one in several], axis=0) for several in references]).sum(
            axis=0
        )
        weight = np.log(len(references)) - np.log(np.maximum(1, documents))
        for candidate, several in zip(candidates, references, strict=True):
            for one in several:
                a, b = vector(candidate) * weight, vector(one) * weight
                norm = float(np.linalg.norm(a) * np.linalg.norm(b))
                gap = len(candidate.split()) - len(one.split())
                total.append(float(np.minimum(a, b) @ b) / (norm or 1) * math.exp(-(gap**2) / 72) / len(several))
    return 1000 * sum(total) / 4 / len(candidates)


def test_scores_equal_those_of_the_formulas() -> None:
    draw = np.random.default_rng(0)
    words = np.array("a the dog cat man runs sits red big on in house with two hat".split())  # noqa: SIM905

    def sentence() -> str:
        return " ".join(draw.choice(words, size=draw.integers(4, 12)))

    references = [[sentence() for _ in range(draw.integers(1, 6))] for _ in range(40)]
    candidates = [sentence() if draw.random() < 0.5 else several[0][:-4].strip() + " dog" for several in references]
    scores = score(candidates, references)
    assert [scores[f"bleu{k}"] for k in range(1, 5)] == pytest.approx(plain_bleu(candidates, references), abs=1e-4)
    assert scores["rouge_l"] == pytest.approx(plain_rouge(candidates, references), abs=1e-9)
    assert scores["cider"] == pytest.approx(plain_cider(candidates, references), abs=1e-6)
    assert 5 < scores["bleu4"] < 95


# --- input and output


def test_scores_become_one_dictionary(capfd: pytest.CaptureFixture[str]) -> None:
    names = ["cider", "bleu1", "cider"]
    result = caption_metrics(["A dog.", "Cats!"], [["a dog"], ["cats", "two cats"]], metrics=names)
    assert list(result) == ["cider", "bleu1"]
    assert capfd.readouterr() == ("", "")


def test_empty_and_very_long_candidates() -> None:
    references = [["a dog runs", "a dog"], ["two cats sleep", ""], ["one bird sings"]]
    scores = score(["", "two cats sleep", "a bird " * 2_000], references)
    assert all(0 <= value < (1000 if name == "cider" else 100) for name, value in scores.items())
    assert score(["", ".", " "], references) == pytest.approx(dict.fromkeys(METRICS, 0.0), abs=1e-6)
    assert scores == score(
        ["", "two cats sleep", "a bird " * 2_000], [references[0], ["two cats sleep"], references[2]]
    )


@pytest.mark.parametrize(
    ("candidates", "references", "why"),
    [
        (["a"], [["a"], ["b"]], "1 candidates but references of 2 items"),
        ([], [], "at least one candidate"),
        (["a"], [[]], "no reference of item 0 has a word"),
        (["a", "b"], [["a"], ["", "."]], "no reference of item 1 has a word"),
        (["a"], ["a"], "list of lists"),
        ("a", [["a"]], "list of captions"),
        ([None], [["a"]], "must be a string"),
        (["a"], [["a", None]], "must be a string"),
    ],
)
def test_wrong_input(candidates: Any, references: Any, why: str) -> None:
    with pytest.raises(WrongCall, match=why):
        caption_metrics(candidates, references)


def test_wrong_metrics() -> None:
    with pytest.raises(WrongCall, match="'ciderd': did you mean cider"):
        caption_metrics(["a"], [["a"]], metrics=["ciderd"])
    with pytest.raises(WrongCall, match="a list, not one string"):
        caption_metrics(["a"], [["a"]], metrics="cider")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pycocoevalcap"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    with pytest.raises(NotInstalled, match=r'pip install "c3core\[metrics\]"'):
        caption_metrics(["a"], [["a"]])
