"""Importing c3core, asking for help and listing plugins costs no heavy library."""

from __future__ import annotations

import subprocess
import sys

import pytest

import c3core

HEAVY = ("torch", "pyarrow", "pydantic", "transformers", "accelerate", "librosa", "av", "decord", "matplotlib")
COMMANDS = ("connect", "embed", "geometry", "fit", "run", "evaluate", "ablate", "info", "convert")

COMMAND_LINE = """
import sys
from c3core.cli import main
sys.argv = ["c3", *sys.argv[1:]]
try:
    main()
except SystemExit as stopped:
    assert stopped.code in (0, None), stopped.code
"""


def heavy_after(code: str, *arguments: str) -> list[str]:
    """The heavy libraries that a fresh interpreter has imported after running `code`."""
    ask = f"{code}\nprint(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)"
    command = [sys.executable, "-c", ask, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stderr.split()


def test_the_question_can_be_answered_with_yes():
    assert "torch" in heavy_after("import sys; from c3core import Encoder")


@pytest.mark.parametrize("module", ["c3core", "c3core.registry", "c3core.loading", "c3core.bridges", "c3core.cli"])
def test_importing_a_module_of_names(module):
    assert heavy_after(f"import sys, {module}") == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["plugins"], ["plugins", "--json"], ["bridges"]],
    ids=" ".join,
)
def test_a_quick_command(arguments):
    assert heavy_after(COMMAND_LINE, *arguments) == []


def test_the_help_of_every_command():
    code = f"{COMMAND_LINE.replace('sys.argv = ', 'arguments = ')}\n"
    loop = f"for command in {COMMANDS}:\n    sys.argv = ['c3', command, '--help']\n    " + (
        "try:\n        main()\n    except SystemExit as stopped:\n        assert stopped.code in (0, None), command"
    )
    assert heavy_after(code.split("try:")[0] + loop) == []


@pytest.mark.parametrize("name", c3core.__all__)
def test_every_public_name_resolves(name):
    assert getattr(c3core, name) is not None
    assert name in dir(c3core)


def test_public_names_are_said_once_for_type_checkers_and_once_for_import():
    # The block under TYPE_CHECKING must list what __getattr__ gives.
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(c3core))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: str(line.module).removeprefix("c3core.")
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert typed == c3core._HOME_OF


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'c3core' has no attribute 'Pipline'"):
        _ = c3core.Pipline
