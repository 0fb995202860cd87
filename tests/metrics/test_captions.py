"""BLEU, ROUGE-L and CIDEr against figures printed elsewhere, cases by hand, and a second writing of them in float64."""

from __future__ import annotations

import math
import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3core.errors import C3Error
from c3core.metrics.captions import METRICS, caption_metrics
from c3core.metrics.tokenizer import java

pytestmark = pytest.mark.skipif(find_spec("pycocoevalcap") is None, reason="needs pycocoevalcap")
NO_JAVA = [metric for metric in METRICS if metric not in ("meteor", "spice")]


def measure(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    return caption_metrics(candidates, references, metrics=NO_JAVA, tokenizer="python").scores


# --- figures printed in the papers of the metrics


def test_bleu_of_papineni_2002() -> None:
    seven = measure(["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]])
    assert seven["bleu1"] == pytest.approx(100 * 2 / 7, abs=1e-4)
    references = [
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    ]
    first = measure(
        ["It is a guide to action which ensures that the military always obeys the commands of the party"], [references]
    )
    assert first["bleu1"] == pytest.approx(100 * 17 / 18, abs=1e-4)
    assert first["bleu2"] == pytest.approx(100 * math.sqrt(17 / 18 * 10 / 17), abs=1e-4)
    second = measure(
        ["It is to insure the troops forever hearing the activity guidebook that party direct"], [references]
    )
    brevity = math.exp(1 - 16 / 14)
    assert second["bleu1"] == pytest.approx(100 * brevity * 8 / 14, abs=1e-4)
    assert second["bleu2"] == pytest.approx(100 * brevity * math.sqrt(8 / 14 * 1 / 13), abs=1e-4)


def test_rouge_l_of_lin_2004() -> None:
    truth = [["police killed the gunman"]]
    assert measure(["police kill the gunman"], truth)["rouge_l"] == pytest.approx(75)
    assert measure(["the gunman kill police"], truth)["rouge_l"] == pytest.approx(50)


# --- by hand


def test_saying_the_reference_is_the_best_there_is() -> None:
    truth = [["a red dog runs fast"], ["two cats sleep on sofas"], ["one bird sings by day"]]
    scores = measure([reference for (reference,) in truth], truth)
    assert scores == pytest.approx(
        {"cider": 1000, "bleu1": 100, "bleu2": 100, "bleu3": 100, "bleu4": 100, "rouge_l": 100}, abs=1e-4
    )


def test_cider_by_hand() -> None:
    # Every word but "a" is in one of the two documents, so it weighs log 2, and "a" nothing. The first candidate has 1 of the 2 weighing
    # words ("cat" is in no document: log 2 as well) and neither of its pairs; the second has no pair, and length 1 less.
    scores = measure(["a cat runs", "bird"], [["a dog runs"], ["a bird"]])
    first = (0.5 + 0 + 0 + 0) / 4
    second = (1 + 0 + 0 + 0) / 4 * math.exp(-1 / (2 * 36))
    assert scores["cider"] == pytest.approx(1000 * (first + second) / 2, abs=1e-6)


def test_one_item_has_no_cider() -> None:
    scores = measure(["a dog runs fast"], [["a dog runs fast"]])
    assert scores["cider"] == 0
    assert scores["bleu4"] == pytest.approx(100, abs=1e-4)


def test_bleu_is_of_the_corpus_not_a_mean() -> None:
    scores = measure(["a b c d", "x"], [["a b c d"], ["y"]])
    assert scores["bleu1"] == pytest.approx(100 * 4 / 5, abs=1e-4)
    assert scores["rouge_l"] == pytest.approx(50)


# --- a second writing


def grams(sentence: str, k: int) -> Counter[tuple[str, ...]]:
    words = sentence.split()
    return Counter(tuple(words[i : i + k]) for i in range(len(words) - k + 1))


def plain_bleu(candidates: list[str], references: list[list[str]]) -> list[float]:
    hits, tries = np.zeros(4), np.zeros(4)
    said = asked = 0
    for candidate, several in zip(candidates, references, strict=True):
        length = len(candidate.split())
        said += length
        asked += min((len(one.split()) for one in several), key=lambda n: (abs(n - length), n))
        for k in range(4):
            found = grams(candidate, k + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for one in several:
                most |= grams(one, k + 1)
            hits[k] += (found & most).total()
            tries[k] += found.total()
    brevity = min(1.0, math.exp(1 - asked / said))
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
        place = {g: i for i, g in enumerate(every)}

        def vector(text: str, k: int = k, place: dict[tuple[str, ...], int] = place) -> np.ndarray[Any, Any]:
            row = np.zeros(len(place))
            for g, count in grams(text, k).items():
                row[place[g]] = count
            return row

        seen = np.array([np.max([vector(one) > 0 for one in several], axis=0) for several in references]).sum(axis=0)
        weight = np.log(len(references)) - np.log(np.maximum(1, seen))
        for candidate, several in zip(candidates, references, strict=True):
            for one in several:
                a, b = vector(candidate) * weight, vector(one) * weight
                norm = float(np.linalg.norm(a) * np.linalg.norm(b))
                gap = len(candidate.split()) - len(one.split())
                total.append(float(np.minimum(a, b) @ b) / (norm or 1) * math.exp(-(gap**2) / 72) / len(several))
    return 1000 * sum(total) / 4 / len(candidates)


def test_against_a_second_writing() -> None:
    draw = np.random.default_rng(0)
    words = np.array("a the dog cat man runs sits red big on in house with two hat".split())  # noqa: SIM905

    def sentence() -> str:
        return " ".join(draw.choice(words, size=draw.integers(4, 12)))

    references = [[sentence() for _ in range(draw.integers(1, 6))] for _ in range(40)]
    candidates = [sentence() if draw.random() < 0.5 else several[0][:-4].strip() + " dog" for several in references]
    scores = measure(candidates, references)
    assert [scores[f"bleu{k}"] for k in range(1, 5)] == pytest.approx(plain_bleu(candidates, references), abs=1e-4)
    assert scores["rouge_l"] == pytest.approx(plain_rouge(candidates, references), abs=1e-9)
    assert scores["cider"] == pytest.approx(plain_cider(candidates, references), abs=1e-6)
    assert 5 < scores["bleu4"] < 95


# --- what goes in and out


def test_the_document_that_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    found = caption_metrics(
        ["A dog.", "Cats!"], [["a dog"], ["cats", "two cats"]], metrics=["bleu1", "spice", "cider"], tokenizer="python"
    )
    assert list(found.to_dict()) == ["bleu1", "cider", "n", "tokenizer", "left_out"]
    assert found.to_dict()["n"] == 2
    assert found.to_dict()["tokenizer"] == "ptb-like (python)"
    assert "download" in found.left_out["spice"]
    assert capfd.readouterr() == ("", "")


def test_empty_and_endless_candidates() -> None:
    truth = [["a dog runs", "a dog"], ["two cats sleep", ""], ["one bird sings"]]
    scores = measure(["", "two cats sleep", "a bird " * 2_000], truth)
    assert all(0 <= score < (1000 if name == "cider" else 100) for name, score in scores.items())
    assert measure(["", ".", " "], truth) == pytest.approx(dict.fromkeys(NO_JAVA, 0.0), abs=1e-6)
    assert scores == measure(["", "two cats sleep", "a bird " * 2_000], [truth[0], ["two cats sleep"], truth[2]])


@pytest.mark.parametrize(
    ("candidates", "references", "why"),
    [
        (["a"], [["a"], ["b"]], "1 candidates but references of 2 items"),
        ([], [], "no captions"),
        (["a"], [[]], "item 0 has no reference"),
        (["a", "b"], [["a"], ["", "."]], "no reference of item 1 has a word"),
        (["a"], ["a"], "item 0 are one string"),
        ("a", [["a"]], "got one string"),
        ([None], [["a"]], "must be a string"),
    ],
)
def test_wrong_input(candidates: Any, references: Any, why: str) -> None:
    with pytest.raises(C3Error, match=why):
        caption_metrics(candidates, references, tokenizer="python")


def test_wrong_metrics() -> None:
    with pytest.raises(C3Error, match="'ciderd': did you mean cider"):
        caption_metrics(["a"], [["a"]], metrics=["ciderd"])
    with pytest.raises(C3Error, match="a list, not one string"):
        caption_metrics(["a"], [["a"]], metrics="cider")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pycocoevalcap"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    for tokenizer in ("python", *(["ptb"] if java() else [])):
        with pytest.raises(C3Error, match=r'pip install "c3core\[metrics\]"'):
            caption_metrics(["a"], [["a"]], tokenizer=tokenizer)  # type: ignore[arg-type]


# --- METEOR


def test_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = caption_metrics(["a dog", "cats"], [["a dog"], ["cats"]])
    assert set(found.left_out) == {"meteor", "spice"}
    assert "no `java` was found" in found.left_out["meteor"]
    assert set(found.scores) == set(NO_JAVA)


@pytest.mark.parametrize(
    ("script", "why"),
    [("exec sleep 60", "longer than 0.5 s"), ("exit 1", "failed"), ("echo 1; read a; echo b", "failed")],
)
def test_a_meteor_that_fails_leaves_the_rest_and_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, why: str
) -> None:
    path = tmp_path / "java"
    path.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    began = time.monotonic()
    timeout = 0.5 if "sleep" in script else 60
    found = caption_metrics(["a dog", "cats"], [["a dog"], ["cats"]], tokenizer="python", timeout=timeout)
    assert time.monotonic() - began < 30
    assert why in found.left_out["meteor"]
    assert found.scores["bleu1"] == pytest.approx(100, abs=1e-4)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def meteor(candidates: list[str], truth: list[list[str]]) -> float:
    return caption_metrics(candidates, truth, metrics=["meteor"], tokenizer="python").scores["meteor"]


@pytest.mark.skipif(java() is None, reason="needs java")
def test_meteor_of_the_references_themselves() -> None:
    truth = [["someone on a horse", "a man rides a horse"], ["two dogs run"], ["a naïve café"]]
    assert meteor(["a man rides a horse", "two dogs run", "a naïve café"], truth) == pytest.approx(100, abs=0.5)


@pytest.mark.slow
@pytest.mark.skipif(java() is None, reason="needs java")
def test_meteor_knows_stems_and_synonyms() -> None:
    truth = [["a man rides a horse", "someone on a horse"], ["two dogs run"], ["the kid sleeps"]]
    assert 20 < meteor(["a man riding a horse", "", "the child slept"], truth) < 95
    assert meteor(["", "red", "."], truth) == 0


@pytest.mark.slow
@pytest.mark.skipif(java() is None, reason="needs java")
def test_meteor_is_that_of_the_package() -> None:
    from pycocoevalcap.meteor.meteor import Meteor

    candidates = ["a man riding a horse", "dogs are running", "a child sleeping on the red sofa"]
    truth = [
        ["a man rides a horse", "someone on a horse"],
        ["two dogs run"],
        ["the kid sleeps on a couch", "a baby naps"],
    ]
    expected, _ = Meteor().compute_score(dict(enumerate(truth)), {i: [one] for i, one in enumerate(candidates)})
    assert meteor(candidates, truth) == pytest.approx(100 * expected, abs=1e-9)
