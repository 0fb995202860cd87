"""Caption metrics as COCO computes them: BLEU, ROUGE-L, CIDEr, and METEOR and SPICE where there is Java."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from c3core.errors import C3Error, NotInstalled, WrongCall, near
from c3core.metrics.spice import spice
from c3core.metrics.tokenizer import INSTALL, Tokeniser, java, package_file, tokenize

METRICS = ("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "meteor", "spice")
_NO_JAVA = "METEOR needs Java, and no `java` was found. Install one."


@dataclass(frozen=True)
class CaptionScores:
    """Figures of a set of captions, × 100 as papers print them (CIDEr 93.3, BLEU-4 27.7).

    `scores` holds what was computed by name, `left_out` why the others were not, `n` the number of items.
    """

    n: int
    tokenizer: str
    scores: dict[str, float]
    left_out: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values: each score under its own name, beside "n", "tokenizer" and "left_out"."""
        return {**self.scores, "n": self.n, "tokenizer": self.tokenizer, "left_out": dict(self.left_out)}


def caption_metrics(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Sequence[str] = METRICS,
    tokenizer: Tokeniser = "auto",
    timeout: float = 1800,
) -> CaptionScores:
    """Compare one candidate caption an item with that item's references, through pycocoevalcap.

    BLEU-1 … 4 are of the whole corpus, with the reference length that is closest; ROUGE-L and CIDEr are means over
    items, and CIDEr takes its document frequencies from the references given here. So with one item CIDEr is 0 (each
    of its words is in every document), and with few it depends on which they are. An empty candidate scores 0; a
    reference without a word is left out. `tokenizer` is that of `c3core.metrics.tokenize.tokenize`; `timeout` in
    seconds holds for each Java process.

    Raises `C3Error` for lists of different lengths, no items, an item without a reference that has words, unknown
    metrics, and where pycocoevalcap is missing.

    >>> scores = caption_metrics(["A dog runs.", "Two cats"], [["a dog runs", "a dog"], ["two cats sleep"]],
    ...                          metrics=["bleu1", "cider"], tokenizer="python")
    >>> round(scores.scores["bleu1"], 1)
    81.9
    """
    wanted = _wanted(metrics)
    _check(candidates, references)
    counts = [len(several) for several in references]
    tokens, name = tokenize(
        [*candidates, *(one for several in references for one in several)], tokenizer=tokenizer, timeout=timeout
    )
    spoken = iter(tokens[len(candidates) :])
    result = {i: [tokens[i]] for i in range(len(candidates))}
    truth = {i: [one for one in (next(spoken) for _ in range(count)) if one] for i, count in enumerate(counts)}
    wordless = next((i for i, several in truth.items() if not several), None)
    if wordless is not None:
        raise C3Error(f"no reference of item {wordless} has a word in it. Leave the item out.")

    scores = _scores(truth, result, wanted)
    left_out: dict[str, str] = {}
    for metric, compute in (("meteor", _meteor), ("spice", spice)):
        if metric in wanted:
            try:
                scores[metric] = 100 * compute(truth, result, timeout)
            except C3Error as error:  # the other figures stand without it
                left_out[metric] = str(error)
    return CaptionScores(
        len(candidates), name, {metric: scores[metric] for metric in wanted if metric in scores}, left_out
    )


def _wanted(metrics: Sequence[str]) -> list[str]:
    if isinstance(metrics, str):
        raise C3Error(f"metrics must be a list, not one string. Write [{metrics!r}].")
    for metric in metrics:
        if metric not in METRICS:
            raise WrongCall(f"no caption metric is called {metric!r}: {near(metric, METRICS)}")
    return list(dict.fromkeys(metrics))


def _check(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if isinstance(candidates, str) or isinstance(references, str):
        raise C3Error("candidates must be a list of captions, references a list of lists of them; got one string.")
    if len(candidates) != len(references):
        raise C3Error(
            f"{len(candidates)} candidates but references of {len(references)} items: give a list of them for each."
        )
    if not candidates:
        raise C3Error("there are no captions to measure. Give at least one.")
    for i, several in enumerate(references):
        if isinstance(several, str):
            raise C3Error(f"the references of item {i} are one string, not a list. Write [reference].")
        if not several:
            raise C3Error(f"item {i} has no reference. Leave it out, or give one.")


def _scores(truth: dict[int, list[str]], result: dict[int, list[str]], wanted: Sequence[str]) -> dict[str, float]:
    """BLEU, ROUGE-L and CIDEr of tokenized captions, × 100."""
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError as error:
        raise NotInstalled(f"caption metrics need pycocoevalcap ({error}): {INSTALL}") from None
    scores: dict[str, float] = {}
    if any(metric.startswith("bleu") for metric in wanted):
        bleus, _ = Bleu(4).compute_score(truth, result, verbose=0)  # it prints its counts otherwise
        scores |= {f"bleu{k}": 100 * float(bleu) for k, bleu in enumerate(bleus, start=1)}
    if "rouge_l" in wanted:
        scores["rouge_l"] = 100 * float(Rouge().compute_score(truth, result)[0])
    if "cider" in wanted:
        scores["cider"] = 100 * float(Cider().compute_score(truth, result)[0])
    return scores


def _meteor(truth: dict[int, list[str]], result: dict[int, list[str]], timeout: float) -> float:
    """METEOR 1.5 of tokenized captions, in [0, 1], by pycocoevalcap's jar, whose own wrapper may hang for ever."""
    program = java()
    if program is None:
        raise NotInstalled(_NO_JAVA)
    jar = package_file("meteor/meteor-1.5.jar")
    command = [program, "-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            cwd=jar.parent,
        )
    except OSError as error:
        raise C3Error(f"{program} cannot be run ({error.strerror or error}), so METEOR was not computed.") from None
    assert process.stdin is not None
    assert process.stdout is not None
    watch = threading.Timer(timeout, process.kill)  # a killed process ends the reading below
    watch.start()
    try:
        statistics = []
        for i, (candidate,) in result.items():
            process.stdin.write(" ||| ".join(["SCORE", *truth[i], candidate]) + "\n")
            process.stdin.flush()
            statistics.append(process.stdout.readline().strip())
        process.stdin.write(" ||| ".join(["EVAL", *statistics]) + "\n")
        process.stdin.flush()
        answers = [float(process.stdout.readline()) for _ in range(len(result) + 1)]
    except (OSError, ValueError):  # a broken pipe, or an answer that is no number
        why = f"took longer than {timeout:g} s" if watch.finished.is_set() else "failed"
        raise C3Error(f"METEOR's Java process {why}, so METEOR was not computed.") from None
    finally:
        watch.cancel()
        process.kill()
        process.communicate()
    return answers[-1]  # of the whole corpus; the others are of each item
