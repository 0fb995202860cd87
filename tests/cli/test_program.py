"""Commands that plugins bring stand beside those of the core."""

from __future__ import annotations

import re
import sys

import pytest

from tests.helpers.command_line import c3, fails

PLUGIN = """
from c3core import hookimpl

@hookimpl
def c3_commands(register):
    register("greet", "greeting:greet", summary="Greet somebody.")
    register("paint-it", "greeting:greet", requires=("no_such_library",), summary="Needs a library.")
    register("fit", "greeting:greet", summary="Takes the name of a command of the core.")
"""
GREETING = """
from c3core.errors import C3Error

def greet(name: str, loud: bool = False) -> None:
    "Greet somebody. Loudly, if asked."
    if name == "nobody":
        raise C3Error("there is nobody to greet.")
    print(f"hello {name}".upper() if loud else f"hello {name}")
"""


@pytest.fixture(autouse=True)
def _plugin(install_plugin):
    install_plugin("greeter", PLUGIN, greeting=GREETING)


def test_a_command_of_a_plugin_is_listed_and_run():
    shown = c3("--help").stdout
    assert "Greet somebody." in shown
    assert "Needs a library." in shown
    assert "Loudly" not in shown
    assert "Greet somebody. Loudly, if asked." in c3("greet", "--help").stdout
    assert c3("greet", "you", "--loud").stdout == "HELLO YOU\n"


def test_it_ends_as_those_of_the_core_do():
    fails("greet", "nobody", says="error: there is nobody to greet.")
    wrong = c3("gret")
    assert wrong.returncode == 2
    assert "greet" in wrong.stderr


def test_one_whose_library_is_missing_says_what_to_install():
    for words in ([], ["a picture", "--size", 3]):
        fails("paint-it", *words, status=1, says="pip install greeter")


def test_c3_plugins_sums_it_up_with_what_to_install():
    listed = c3("plugins").stdout
    assert re.search(r"command +greet +Greet somebody\. *\n", listed)
    assert re.search(r"command +paint-it +Needs a library\. \(pip install greeter\) *\n", listed)


def test_the_core_keeps_its_own_commands():
    assert "RECIPE" in c3("fit", "--help").stdout
    assert "greeting" not in sys.modules
    assert c3("--help").stdout.count(" fit ") == 1
