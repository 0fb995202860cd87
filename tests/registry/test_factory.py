"""Factories are called by name with their arguments and options. A wrong name or option is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import C3Error, Space, load_bridge, load_decoder, load_space, load_tower
from c3core.data.tables import load_table
from c3core.errors import WrongCall

PLUGIN = """
from c3core import hookimpl

@hookimpl
def c3_spaces(register):
    register("echo", "echo_parts:space", modalities=["text"])
    register("loose", "echo_parts:loose")
    register("wrong", "echo_parts:wrong")
    register("misspelt", "echo_parts:loose")
    register("bare", "echo_parts:bare")

@hookimpl
def c3_bridges(register):
    register("echo", "echo_parts:bridge")

@hookimpl
def c3_decoders(register):
    register("echo", "echo_parts:Decoder")
    register("misnamed", "echo_parts:Misnamed")

@hookimpl
def c3_towers(register):
    register("echo", "echo_parts:Tower")

@hookimpl
def c3_tables(register):
    register("echo", "echo_parts:table")
    register("wrong", "echo_parts:wrong")
    register("bare", "echo_parts:bare")
"""

PARTS = """
import c3core
from c3core.bridges import C3Bridge

def space(argument, *, device, precision, size=1):
    space = c3core.Space("echo", 7, {})
    space.called_with = (argument, device, precision, size)
    return space

def bare(argument):
    return c3core.Space("bare", 7, {})

def loose(argument, **options):
    space = c3core.Space("loose", 7, {})
    space.called_with = (argument, options)
    return space

def bridge(name, *, noise=0.0):
    loaded = c3core.load_bridge("c3", noise_std=noise)
    loaded.name = name
    return loaded

class Decoder(c3core.Decoder):
    name = "echo"
    __abstractmethods__ = frozenset()

    def __init__(self, condition_dim, *, layers=2, device="auto"):
        super().__init__(condition_dim, device=device)
        self.called_with = (condition_dim, layers)

class Misnamed(Decoder):
    pass

class Tower(c3core.Tower):
    def __init__(self, *, width=8):
        self.called_with = width

Decoder.__abstractmethods__ = Misnamed.__abstractmethods__ = Tower.__abstractmethods__ = frozenset()

def table(argument, *, folder):
    return c3core.Table({"text": [argument], "folder": [folder]})

def wrong(*names, **options):
    return {"dim": 7}
"""


@pytest.fixture(autouse=True)
def echo(install_plugin):
    install_plugin("echo", PLUGIN, echo_parts=PARTS)


@pytest.mark.parametrize(
    ("name", "argument"), [("echo", ""), ("echo:ViT-B-32/openai", "ViT-B-32/openai"), ("echo:a:b", "a:b")]
)
def test_a_spaces_argument_stands_behind_the_colon(name, argument):
    assert load_space(name).called_with == (argument, "auto", "float32", 1)
    assert load_space(name, device="cpu", precision="bfloat16", size=2).called_with == (argument, "cpu", "bfloat16", 2)


def test_the_others_get_their_options():
    assert load_bridge("echo", noise=0.1).config()["corrupt"]["std"] == 0.1
    assert load_decoder("echo", space=Space("echo", 7, {}), layers=3).called_with == (7, 3)
    assert load_decoder("echo", condition_dim=5).called_with == (5, 2)
    assert load_tower("echo", width=3).called_with == 3
    assert load_table("echo:train/10").columns == {"text": ["train/10"], "folder": [Path()]}
    assert load_table("echo:a:b", folder="recipes").columns == {"text": ["a:b"], "folder": [Path("recipes")]}


def test_a_factory_that_lacks_what_the_core_gives_is_the_authors_fault():
    says = (
        r"the factory of space 'bare' must take device and precision: write def bare\(argument, \*, device, precision"
    )
    with pytest.raises(C3Error, match=says):
        load_space("bare")
    with pytest.raises(C3Error, match=r"must take folder: write def bare\(argument, \*, folder\)"):
        load_table("bare:x")


def test_a_factory_that_takes_anything_gets_anything():
    assert load_space("loose:x", anything=1).called_with == (
        "x",
        {"device": "auto", "precision": "float32", "anything": 1},
    )


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: load_space("ehco"), "did you mean echo"),
        (lambda: load_space("echo", sise=1), "did you mean size"),
        (lambda: load_space("echo", argument="x"), "'argument'"),
        (lambda: load_bridge("echo", nose=1), "did you mean noise"),
        (lambda: load_bridge("zzz"), "'zzz'"),
        (lambda: load_decoder("echo"), "condition_dim"),
        (lambda: load_decoder("echo", space="playground"), "is a str, not a Space"),
        (lambda: load_decoder("echo", condition_dim=0), "condition_dim"),
        (lambda: load_decoder("echo", condition_dim=1, layer=1), "did you mean layers"),
        (lambda: load_tower("echo", x=1), "known: width"),
    ],
)
def test_a_wrong_name_or_option_is_one_line(call, named):
    with pytest.raises(WrongCall, match=named) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: load_space("wrong"),
        lambda: load_space("misspelt"),
        lambda: load_table("wrong:x"),
        lambda: load_decoder("misnamed", condition_dim=1),
    ],
)
def test_a_factory_that_breaks_its_promise_is_one_line_that_names_it(call):
    with pytest.raises(C3Error, match=r"wrong.*echo|misspelt|misnamed") as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_is_no_space_says_who_writes_one(tmp_path):
    with pytest.raises(WrongCall, match="c3 connect"):
        load_space(str(tmp_path))
