"""Every Python block of the README and the docs says whether it is run, and what is to be run runs.

```python test        run, in a fresh process and an empty folder
```python no-test     not run: it needs a download or the reader's own files
```python title="…"   a file of the plugin tutorial, which has a test of its own
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")
BLOCKS = [
    (page, mark.strip(), code) for page in PAGES for mark, code in BLOCK.findall(page.read_text(encoding="utf-8"))
]
RUN = [(page, code) for page, mark, code in BLOCKS if mark == "test"]


def test_every_block_says_whether_it_is_run() -> None:
    unmarked = [
        f"{page.name}: {code.splitlines()[0]}"
        for page, mark, code in BLOCKS
        if mark.split("=")[0] not in ("test", "no-test", "title")
    ]
    assert not unmarked


@pytest.mark.parametrize(("page", "code"), RUN, ids=[f"{page.name}-{number}" for number, (page, _) in enumerate(RUN)])
def test_it_runs(page: Path, code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not missing
