"""The README and the docs: their blocks run, their links lead somewhere, and the site builds.

```python                  run
```python title="Needs …"  not run: it needs the hub, a GPU, …
```python title="x.py"     a file of a plugin, which tests/test_plugin_pages.py builds and tests
```sh                      run: `c3` in this process, any other command in a shell
```bash                    not run: it installs, downloads, or takes minutes
```text title="Output"     what the block above prints; "…" stands for anything, and numbers may differ by a few percent

The blocks of a page run in their order, in one namespace and one folder, which has some files of the playground.
"""

from __future__ import annotations

import csv
import io
import math
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from c3_playground.world import World
from tests.helpers.command_line import c3

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^```(\w+)(?: test)?(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""(?:\]\(|src="|srcset=")([^)#:"]+)[)"]""")
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)")
FILE = re.compile(r"(Add to )?[\w/.-]+\.(py|yaml|toml)")


class Block(NamedTuple):
    """A block of code of a page."""

    language: str
    title: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("python", "sh") and not self.title


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUN = [page for page in PAGES if any(block.runs for block in blocks(page))]


@pytest.fixture(scope="module")
def readers_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: photos, a photo, sentences, and tables of pairs."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "photos").mkdir()
    with open(folder / "train.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for number, item in enumerate(World().items("image", "train", 40)):
            Image.fromarray(item.data).save(folder / f"photos/{number}.png")
            rows.writerow([f"photos/{number}.png", item.sentences[0]])
    shutil.copy(folder / "photos/0.png", folder / "photo.png")
    shutil.copy(folder / "train.csv", folder / "dev.csv")
    (folder / "captions.txt").write_text("\n".join(World().sentences(40, modality="image")) + "\n")
    return folder


@pytest.mark.parametrize("page", RUN, ids=name)
def test_its_blocks_run(page: Path, readers_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(readers_files, tmp_path / "reader")
    monkeypatch.chdir(folder)
    scope: dict[str, object] = {"__name__": "__main__"}
    for block, following in pairwise([*blocks(page), Block("", "", "")]):
        if not block.runs:
            continue
        printed = run_python(block.text, scope) if block.language == "python" else run_shell(block.text)
        if following.title == "Output":
            assert agrees(printed, following.text), f"printed:\n{printed}\nexpected:\n{following.text}"


def run_python(code: str, scope: dict[str, object]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "<block>", "exec"), scope)
    return printed.getvalue()


def run_shell(text: str) -> str:
    printed = ""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "c3":
            done = c3(*words[1:])
        else:
            done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        printed += done.stdout
    return printed


def agrees(printed: str, expected: str) -> bool:
    """Is one the other, apart from white space, what "…" stands for, and a few percent of a number?"""
    pattern = r"\s+".join(".*".join(map(spell, word.split("…"))) for word in expected.split())
    found = re.fullmatch(pattern, printed.strip(), re.DOTALL)
    numbers = [float(number) for number in NUMBER.findall(expected)]
    return bool(found) and all(
        math.isclose(float(one), other, rel_tol=0.05, abs_tol=0.011)
        for one, other in zip(found.groups(), numbers, strict=True)
    )


def spell(piece: str) -> str:
    """A pattern for a piece of a word, with a group for each number."""
    return "".join(
        r"(-?\d+(?:\.\d+)?)" if number % 2 else re.escape(part) for number, part in enumerate(NUMBER.split(piece))
    )


def test_every_block_says_what_it_is() -> None:
    unknown = []
    for page in PAGES:
        fences = re.findall(r"^```\w+", page.read_text(encoding="utf-8"), re.MULTILINE)
        if len(fences) != len(blocks(page)):
            unknown.append(f"{name(page)}: a fence that this test does not know")
        for language, title, text in blocks(page):
            known = {
                "python": not title or title.startswith("Needs ") or FILE.fullmatch(title),
                "sh": not title,
                "text": not title or title.startswith(("Output", "output of ")),
            }
            if not known.get(language, True):
                unknown.append(f"{name(page)}: {language} {title}: {text.splitlines()[0]}")
    assert not unknown


def test_links_of_the_readme_lead_somewhere() -> None:
    missing = [
        link for link in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")) if not (ROOT / link).exists()
    ]
    assert not missing


@pytest.mark.skipif(find_spec("mkdocs") is None, reason='needs the extra "docs"')
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Strictly: a broken link, anchor or reference fails."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr  # its warnings
    loads = re.compile(
        r"<(?:script|img|iframe)[^>]*src=[\"']?https?:[^>]*|<link[^>]*rel=[\"']?(?:stylesheet|preconnect)[^>]*https?:"
    )
    assert not [found for page in tmp_path.rglob("*.html") for found in loads.findall(page.read_text(encoding="utf-8"))]
