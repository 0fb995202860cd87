"""The examples are short, and print what the comment at their end says."""

from __future__ import annotations

import io
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from c3core.registry import registered

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
NEEDS_THE_HUB = {"clip_and_gpt2"}  # tests/plugins/c3_clip/test_examples.py runs it with small models
OUTPUT = "\n# It prints:\n"
LONGEST = 40  # lines of code


def ids(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", EXAMPLES, ids=ids)
def test_an_example_is_short_and_takes_no_arguments(path: Path) -> None:
    code = path.read_text(encoding="utf-8").partition(OUTPUT)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= LONGEST
    assert "argparse" not in code


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem not in NEEDS_THE_HUB], ids=ids)
def test_an_example_prints_what_it_says(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    text, _, output = path.read_text(encoding="utf-8").partition(OUTPUT)
    for name in re.findall(r"load_pipeline\(\"(playground/[^\"]+)\"\)", text):
        if name not in registered("pipeline"):
            pytest.skip(f"{name} is not installed")
    expected = [line.removeprefix("# ").strip() for line in output.strip().splitlines()]
    if not expected:
        pytest.skip(f"{path.name} does not say what it prints")
    monkeypatch.chdir(tmp_path)
    if "register(" in text:  # what it registers ends with its process
        said = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True).stdout
    else:
        with redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(str(path), run_name="__main__")
        said = printed.getvalue()
    assert [line.strip() for line in said.strip().splitlines()] == expected
