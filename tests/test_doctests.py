"""Every module can be imported, and the examples in its docstrings are right."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    """The dotted names of all modules of the core and of the plugins."""
    files = [(ROOT, path) for path in (ROOT / "c3core").rglob("*.py")]
    files += [(ROOT / "plugins", path) for path in (ROOT / "plugins").rglob("*.py")]
    names = (".".join(path.relative_to(root).with_suffix("").parts) for root, path in files)
    return sorted(name.removesuffix(".__init__") for name in names if not name.endswith("__main__"))


@pytest.mark.parametrize("name", modules())
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        absent = str(error.name).split(".")[0]
        if absent.startswith("c3"):
            raise
        pytest.skip(f"{absent} is not installed")
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
