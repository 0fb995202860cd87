"""Importing c3core, asking for help and listing plugins costs no heavy library."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import c3core
from c3core.cli import app

HEAVY = ("torch", "pyarrow", "pydantic", "transformers", "accelerate", "librosa", "av", "decord", "matplotlib")
COMMANDS = [command.callback.__name__ for command in app.registered_commands]

COMMAND_LINE = """
import json, sys
from c3core.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["c3", *arguments]
    try:
        main()
    except SystemExit as stopped:
        assert stopped.code in (0, None), (arguments, stopped.code)
"""

PLAIN_COMMAND = """
import sys, typer
def hello(json: bool = False): print("hello")
sys.argv = ["hello", "--json"]
try:
    typer.run(hello)
except SystemExit:
    print()
"""


def heavy_after(code: str, *arguments: str) -> list[str]:
    """The heavy libraries that a fresh interpreter has imported after running `code`."""
    ask = f"{code}\nimport sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", ask, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1].split()


@pytest.fixture(scope="module")
def typers_own() -> list[str]:
    """What typer imports for any command at all: some versions take pydantic to read arguments."""
    own = heavy_after(PLAIN_COMMAND)
    assert set(own) <= {"pydantic"}
    return own


def test_the_question_can_be_answered_with_yes():
    assert "torch" in heavy_after("from c3core import Encoder")


@pytest.mark.parametrize(
    "module",
    [
        "c3core",
        "c3core.registry.discovery",
        "c3core.registry.hooks",
        "c3core.bridges.builtin",
        "c3core.bridges.presets",
        "c3core.io.layout",
        "c3core.runtime.exit",
        "c3core.runtime.console",
        "c3core.runtime.memory",
        "c3core.bridges",
        "c3core.cli.program",
    ],
)
def test_importing_a_module_of_names(module):
    assert heavy_after(f"import {module}") == []


@pytest.mark.parametrize(("given", "expected"), [(None, "10000"), ("5", "5")])
def test_importing_keeps_threads_from_spinning_before_torch_loads(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    code = "import os, sys, c3core; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | ({} if given is None else {"GOMP_SPINCOUNT": given}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [expected, "False"]


def test_collecting_the_plugins():
    assert heavy_after("from c3core.registry.discovery import entries; assert entries()") == []


def test_help():
    assert heavy_after(COMMAND_LINE, json.dumps([["--help"], ["-h"]])) == []


@pytest.mark.parametrize("arguments", [["--version"], ["plugins"], ["plugins", "--json"], ["bridges"]], ids=" ".join)
def test_a_quick_command(arguments, typers_own):
    assert heavy_after(COMMAND_LINE, json.dumps([arguments])) == typers_own


def test_the_help_of_every_command(typers_own):
    assert set(heavy_after(COMMAND_LINE, json.dumps([[command, "--help"] for command in COMMANDS]))) <= set(typers_own)


@pytest.mark.parametrize("name", c3core.__all__)
def test_every_public_name_resolves(name):
    assert getattr(c3core, name) is not None
    assert name in dir(c3core)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No c3core attribute Pipline"):
        _ = c3core.Pipline
