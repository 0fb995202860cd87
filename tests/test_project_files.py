"""Files for tools around the project: they are valid, and agree with the Makefile, pyproject.toml and the docs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

from tests.helpers.command_line import c3

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def commands_of(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert rule, f"no target {target}"
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in rule[1].splitlines()]


def python_of(job: dict[str, Any]) -> str:
    """The version of Python that a job of a workflow sets up."""
    return next(step["with"]["python-version"] for step in job["steps"] if "python" in step.get("uses", ""))


def test_pre_commit_runs_the_commands_of_make_lint() -> None:
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    entries = [re.sub(r"^bash -c '(.*)'$", r"\1", hook["entry"]) for hook in hooks]
    assert entries == commands_of("lint")
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in hooks)


def test_the_workflow_runs_targets_of_the_makefile_on_linux_and_macos() -> None:
    workflow = read(".github/workflows/test.yml")
    job = workflow["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["make test", "make docs"]
    assert all(commands_of(command.removeprefix("make ")) for command in commands)
    assert {system.split("-")[0] for system in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos"}
    assert f">={python_of(job)}" == PROJECT["requires-python"]


def test_a_weekly_workflow_runs_the_tests_with_the_oldest_versions() -> None:
    workflow = read(".github/workflows/oldest.yml")
    job = workflow["jobs"]["test"]
    assert {"schedule", "workflow_dispatch"} == workflow[True].keys()  # YAML 1.1 reads the key `on` as true
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test-oldest"]
    assert f">={python_of(job)}" == PROJECT["requires-python"]
    assert any("--resolution lowest-direct" in command for command in commands_of("test-oldest"))


def test_each_requirement_has_a_lowest_version() -> None:
    """Without one, `make test-oldest` takes the first release ever."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    requirements = [requirement for group in groups for requirement in group]
    assert [one for one in requirements if ">=" not in one and not one.startswith("c3core[")] == []


def test_the_citation_names_the_software_and_the_paper_of_the_docs() -> None:
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format requires
    assert (citation["title"], citation["license"], citation["type"]) == ("c3core", PROJECT["license"], "software")
    assert citation["keywords"] == PROJECT["keywords"]
    (paper,) = citation["references"]
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    bibtex = dict(re.findall(r"(\w+) += \{(.*)\}", (ROOT / "docs/help/cite.md").read_text(encoding="utf-8")))
    assert bibtex == {
        "title": paper["title"],
        "author": authors,
        "booktitle": paper["conference"]["name"],
        "year": str(paper["year"]),
    }


def test_what_the_dockerfile_copies_builds_the_package(tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for *sources, target in (line.split()[1:] for line in text.splitlines() if line.startswith("COPY ")):
        for source in sources:
            assert f"!{source}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
            path, to = ROOT / source, tmp_path / target
            if path.is_dir():
                shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, to)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with ZipFile(wheel) as archive:
        assert {"c3core/cli/__init__.py", "c3_photos/__init__.py"} <= {*archive.namelist()}
    (extras,) = re.findall(r'install --no-cache-dir "\.\[(.*)\]"', text)
    assert {*extras.split(",")} <= PROJECT["optional-dependencies"].keys()
    entry, command = (json.loads(line) for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", text, re.MULTILINE))
    assert entry == ["c3"]
    assert c3(*command, "--help").returncode == 0
    assert command[0] in extras.split(",")  # the command is that of an extra
