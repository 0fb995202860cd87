"""Compute METEOR and SPICE by the Java programs of pycocoevalcap.

Its own wrappers may hang for ever, and that of SPICE downloads models and writes into the package.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from c3_metrics.java import java_process, package_file
from c3core.errors import NotInstalled

SPICE_JAR = "spice/spice-1.0.jar"
SPICE_MODELS = "spice/lib/stanford-corenlp-3.6.0-models.jar"  # pycocoevalcap does not bring it


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]], *, timeout: float) -> float:
    """Return METEOR 1.5 of tokenized captions, of the whole corpus, in [0, 1].

    Raises `NotInstalled` without Java or pycocoevalcap, and `C3Error` if the process fails or takes longer than
    `timeout` seconds.
    """
    jar = package_file("meteor/meteor-1.5.jar")
    arguments = ["-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", jar, "-", "-", "-stdio", "-l", "en", "-norm"]
    advice = "METEOR needs 2 GB of memory."
    with java_process("METEOR", arguments, advice=advice, timeout=timeout, folder=jar.parent) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        statistics = []
        for candidate, several in zip(candidates, references, strict=True):
            process.stdin.write(" ||| ".join(["SCORE", *several, candidate]) + "\n")
            process.stdin.flush()
            statistics.append(process.stdout.readline().strip())
        process.stdin.write(" ||| ".join(["EVAL", *statistics]) + "\n")
        process.stdin.flush()
        scores = [float(process.stdout.readline()) for _ in range(len(candidates) + 1)]
    return scores[-1]  # after the score of each item, that of the corpus


def spice(candidates: Sequence[str], references: Sequence[Sequence[str]], *, timeout: float) -> float:
    """Return SPICE of tokenized captions, the mean F of the items, in [0, 1].

    Raises `NotInstalled` without Java, pycocoevalcap or the parser's models, and `C3Error` if the process fails or
    takes longer than `timeout` seconds.
    """
    jar = package_file(SPICE_JAR)
    try:
        package_file(SPICE_MODELS)
    except NotInstalled:
        command = "python -m pycocoevalcap.spice.get_stanford_models"
        raise NotInstalled(f"SPICE needs Java 8 and Stanford's models. Run `{command}` to download these.") from None
    items = [
        {"image_id": i, "test": candidate, "refs": list(several)}
        for i, (candidate, several) in enumerate(zip(candidates, references, strict=True))
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        captions, scores = folder / "captions.json", folder / "scores.json"
        captions.write_text(json.dumps(items), encoding="utf-8")
        arguments = ["-Xmx8G", "-jar", jar, captions, "-out", scores, "-subset", "-silent"]
        advice = "SPICE runs on Java 8."
        with java_process("SPICE", arguments, advice=advice, timeout=timeout, folder=folder) as process:
            process.communicate()
            if process.returncode:
                raise ValueError(f"exit status {process.returncode}")
            values = [float(item["scores"]["All"]["f"]) for item in json.loads(scores.read_text(encoding="utf-8"))]
            if len(values) != len(items):
                raise ValueError(f"it scored {len(values)} of {len(items)} captions")
    return sum(values) / len(values)
