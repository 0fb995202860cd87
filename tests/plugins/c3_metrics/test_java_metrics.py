"""METEOR and SPICE equal those of pycocoevalcap's own wrappers. Without what they need, they say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pycocoevalcap")

from c3_metrics.java import find_java, package_file
from c3_metrics.java_metrics import SPICE_JAR, SPICE_MODELS, meteor, spice
from c3core.errors import C3Error, NotInstalled
from tests.helpers.fake_java import KEEP_ARGUMENTS, put_java

CANDIDATES = ["a man on a brown horse", "a cat"]
REFERENCES = [["a man rides a brown horse", "someone on a horse"], ["two dogs run"]]
needs_java = pytest.mark.skipif(find_java() is None, reason="needs java")


def has_models() -> bool:
    try:
        return package_file(SPICE_MODELS).is_file()
    except NotInstalled:
        return False


def package_arguments() -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """References and candidates as pycocoevalcap takes them."""
    return dict(enumerate(REFERENCES)), {i: [candidate] for i, candidate in enumerate(CANDIDATES)}


@needs_java
def test_meteor_of_the_references_themselves() -> None:
    references = [["someone on a horse", "a man rides a horse"], ["two dogs run"], ["a naïve café"]]
    score = meteor(["a man rides a horse", "two dogs run", "a naïve café"], references, timeout=600)
    assert score == pytest.approx(1, abs=0.005)


@pytest.mark.slow
@needs_java
def test_meteor_knows_stems_and_synonyms() -> None:
    references = [["a man rides a horse", "someone on a horse"], ["two dogs run"], ["the kid sleeps"]]
    assert 0.2 < meteor(["a man riding a horse", "", "the child slept"], references, timeout=600) < 0.95
    assert meteor(["", "red", ""], references, timeout=600) == 0


@pytest.mark.slow
@needs_java
def test_meteor_equals_that_of_the_package() -> None:
    from pycocoevalcap.meteor.meteor import Meteor

    expected, _ = Meteor().compute_score(*package_arguments())
    assert meteor(CANDIDATES, REFERENCES, timeout=600) == pytest.approx(expected, abs=1e-9)


@pytest.mark.skipif(find_java() is None or not has_models(), reason="needs Java and Stanford's parsing models")
def test_spice_equals_that_of_the_package() -> None:
    from pycocoevalcap.spice.spice import Spice

    expected, _ = Spice().compute_score(*package_arguments())
    assert spice(CANDIDATES, REFERENCES, timeout=600) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [meteor, spice])
def test_without_java_they_say_so(
    metric: Callable[..., float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_models(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="needs Java"):
        metric(CANDIDATES, REFERENCES, timeout=60)


@pytest.mark.skipif(has_models(), reason="needs pycocoevalcap without the models")
def test_without_the_models_of_spice_the_command_that_downloads_them_is_named() -> None:
    with pytest.raises(NotInstalled, match="python -m pycocoevalcap.spice.get_stanford_models"):
        spice(CANDIDATES, REFERENCES, timeout=60)


def test_meteor_is_the_score_of_the_corpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    script = KEEP_ARGUMENTS.format(folder=tmp_path)
    script += f'read a; echo 1; read b; echo 2; read c; printf \'%s\\n\' "$a" "$b" "$c" > {lines}; printf \'0.1\\n0.2\\n0.7\\n\''
    put_java(monkeypatch, tmp_path, script)
    assert meteor(CANDIDATES, REFERENCES, timeout=60) == 0.7
    assert lines.read_text().splitlines() == [
        "SCORE ||| a man rides a brown horse ||| someone on a horse ||| a man on a brown horse",
        "SCORE ||| two dogs run ||| a cat",
        "EVAL ||| 1 ||| 2",
    ]
    jar = package_file("meteor/meteor-1.5.jar")
    assert arguments(tmp_path) == f"-Dfile.encoding=UTF-8 -Xmx2G -jar {jar} - - -stdio -l en -norm".split()
    assert started_in(tmp_path).samefile(jar.parent)  # where its paraphrases are


@pytest.mark.parametrize("script", ["exit 1", "echo 1; read a; echo b"])
def test_a_meteor_that_fails_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    put_java(monkeypatch, tmp_path, script)
    with pytest.raises(C3Error, match="failed"):
        meteor(["a dog"], [["a dog"]], timeout=60)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo '[]' > $6; exit 1", "exit status 1"),
        ("true", "No such file"),
        ("echo '[]' > $6", "scored 0 of 2"),
        ("echo broken > $6", "failed"),
    ],
)
def test_a_spice_that_fails_is_one_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, why: str
) -> None:
    put_models(monkeypatch, tmp_path)
    put_java(monkeypatch, tmp_path, script)
    with pytest.raises(C3Error, match=why):
        spice(CANDIDATES, REFERENCES, timeout=60)


def test_spice_is_the_mean_f_of_the_items(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    items = '[{"image_id": 0, "scores": {"All": {"f": 0.5}}}, {"image_id": 1, "scores": {"All": {"f": 0.0}}}]'
    put_models(monkeypatch, tmp_path)
    script = KEEP_ARGUMENTS.format(folder=tmp_path)
    put_java(monkeypatch, tmp_path, f"{script} cp $4 {tmp_path}/input.json; echo '{items}' > $6")
    assert spice(CANDIDATES, REFERENCES, timeout=60) == 0.25
    sent = json.loads((tmp_path / "input.json").read_text())
    assert sent == [
        {"image_id": 0, "test": CANDIDATES[0], "refs": REFERENCES[0]},
        {"image_id": 1, "test": CANDIDATES[1], "refs": REFERENCES[1]},
    ]
    folder = started_in(tmp_path)
    given = f"{folder / 'captions.json'} -out {folder / 'scores.json'} -subset -silent"
    assert arguments(tmp_path) == f"-Xmx8G -jar {package_file(SPICE_JAR)} {given}".split()
    assert not folder.exists()  # SPICE writes beside its input, and nothing is left of it


@pytest.mark.parametrize("metric", [meteor, spice])
def test_a_metric_that_hangs_is_stopped(
    metric: Callable[..., float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    advice = {meteor: "METEOR needs 2 GB of memory.", spice: "SPICE runs on Java 8."}[metric]
    put_models(monkeypatch, tmp_path)
    put_java(monkeypatch, tmp_path, "exec sleep 60")
    name = metric.__name__.upper()
    with pytest.raises(C3Error) as stopped:
        metric(CANDIDATES, REFERENCES, timeout=0.3)
    assert str(stopped.value) == f"the Java process of {name} took longer than 0.3 s. {advice}"


def arguments(folder: Path) -> list[str]:
    return (folder / "arguments").read_text().splitlines()


def started_in(folder: Path) -> Path:
    return Path((folder / "started_in").read_text().strip())


def put_models(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put the jar and the models of SPICE into a part of pycocoevalcap, which is a namespace package."""
    monkeypatch.syspath_prepend(folder)
    for name in (SPICE_JAR, SPICE_MODELS):
        path = folder / "pycocoevalcap" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
