"""Plugins are found by their entry points, loaded lazily, and cannot harm each other."""

from __future__ import annotations

import sys
import types
import warnings

import pytest

from c3core.errors import C3Error
from c3core.registry.discovery import KINDS, Entry, entries, entry

GOOD = """
from c3core import hookimpl

@hookimpl
def c3_spaces(register):
    register("good", "good_parts:load", modalities=["smell", "text"], summary="of scents")

@hookimpl
def c3_towers(register):
    register("good", "good_parts:Tower")
"""


def names(kind: str) -> list[str]:
    return [found.name for found in entries() if found.kind == kind]


def warned() -> str:
    """The one warning that collecting the plugins gives."""
    with pytest.warns(UserWarning, match="plugin") as caught:
        entries()
    assert len(caught) == 1, [str(warning.message) for warning in caught]
    return str(caught[0].message)


def test_our_own_plugins_are_listed_without_a_warning():
    entries.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = entries()
    assert {entry.package for entry in found} == {"c3core"}
    assert "playground" in names("space")
    assert {"c1", "c2_1", "c2_2", "c3"} <= set(names("bridge"))
    assert {"c3_builtin", "c3_playground", "c3_gpt2"} <= {entry.plugin for entry in found}


def test_they_are_in_the_order_of_kind_and_name_and_no_two_are_alike():
    keys = [(list(KINDS).index(found.kind), found.name) for found in entries()]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    "found", [found for found in entries() if not found.missing], ids=lambda e: f"{e.kind}-{e.name}"
)
def test_every_ready_factory_of_ours_can_be_loaded(found):
    assert callable(found.load())


def test_an_installed_plugin_is_found_and_its_parts_are_imported_when_asked_for(install_plugin):
    install_plugin("good", GOOD, good_parts="def load(*a, **k): return 'loaded'")
    found = entry("space", "good")
    assert found == Entry(
        "space", "good", "good_parts:load", "good", "good", modalities=("smell", "text"), summary="of scents"
    )
    assert found.missing == []
    assert "good" in names("tower")
    assert "good_parts" not in sys.modules
    assert found.load()() == "loaded"
    assert "good_parts" in sys.modules


def test_they_are_collected_once():
    assert entries() is entries()


def test_a_missing_requirement_is_named_with_what_to_install(install_plugin):
    source = GOOD.replace('summary="of scents"', 'requires=["json", "no_such_library.part"], extra="good[all]"')
    install_plugin("good", source, good_parts="import no_such_library")
    found = entry("space", "good")
    assert found.missing == ["no_such_library.part"]
    with pytest.raises(C3Error, match=r"space 'good' needs no_such_library.part. Install it: pip install good\[all\]$"):
        found.load()


@pytest.mark.parametrize(
    ("package", "extra", "install"),
    [
        ("c3core", "gpt2", '"c3core[gpt2]"'),
        ("c3core", None, "c3core"),
        ("c3-colours", None, "c3-colours"),
        ("c3-colours", "numpy", "numpy"),
    ],
)
def test_what_to_install_depends_on_whose_plugin_it_is(package, extra, install):
    found = Entry("space", "x", "m:f", "c3_x", package, requires=("no_such_library",), extra=extra)
    with pytest.raises(C3Error) as caught:
        found.load()
    assert str(caught.value).endswith(f"pip install {install}")


def test_a_module_that_was_made_by_hand_is_not_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    assert Entry("space", "x", "m:f", "x", "x", requires=("made_by_hand",)).missing == []


@pytest.mark.parametrize("factory", ["good_parts:other", "good_parts_of_old:load"])
def test_a_factory_that_is_not_there_is_an_error_of_two_lines_at_most(install_plugin, factory):
    install_plugin("good", GOOD.replace("good_parts:load", factory), good_parts="def load(): ...")
    with pytest.raises(C3Error, match=r"space 'good' of plugin 'good' cannot be loaded: .*pip install good") as caught:
        entry("space", "good").load()
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise ImportError('libfoo.so: not found')", "ImportError: libfoo.so: not found"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit('no license')", "SystemExit: no license"),
        ("def half(:", "SyntaxError"),
    ],
    ids=["missing", "import", "error", "exit", "syntax"],
)
def test_a_plugin_that_fails_to_import_is_a_warning_and_harms_nothing_else(install_plugin, line, why):
    before = names("space")
    install_plugin("broken", line + "\n" + GOOD)
    message = warned()
    assert message.startswith("plugin 'broken' (broken) was left out: ")
    assert why in message
    assert names("space") == before


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("raise RuntimeError('oh')", "RuntimeError: oh"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("register('x', 'no colon')", "the factory of 'x' must be a string 'module:function'"),
        ("register('x', 'm:f', colour='red')", "unexpected keyword argument 'colour'"),
        ("register('one', 'm:g')", "it registers the space 'one' twice"),
        ("register('', 'm:g')", "no space can be called ''"),
        ("register('my:space', 'm:g')", "no space can be called 'my:space'"),
        ("register('x', 'm:g', modalities='text')", "modalities of 'x' must be a tuple, not one string: ('text',)"),
        ("register('x', 'm:g', requires='torch')", "requires of 'x' must be a tuple, not one string: ('torch',)"),
    ],
    ids=["error", "exit", "factory", "argument", "twice", "empty", "colon", "modalities", "requires"],
)
def test_a_hook_that_fails_is_a_warning_and_is_left_out_whole(install_plugin, line, why):
    before = names("space")
    source = f"{GOOD}\n@hookimpl\ndef c3_spaces(register):\n    register('one', 'm:f')\n    {line}\n"
    install_plugin("broken", source)
    message = warned()
    assert message.startswith("plugin 'broken' was left out of c3_spaces: ")
    assert why in message
    assert names("space") == before
    assert "good" in names("tower")  # the same plugin's other hook


def test_a_hook_with_the_wrong_argument_leaves_its_plugin_out(install_plugin):
    before = entries()
    install_plugin("broken", GOOD.replace("def c3_towers(register)", "def c3_towers(registry)"))
    assert warned().startswith("plugin 'broken' (broken) was left out: PluginValidationError")
    assert entries() == before


def test_a_misspelt_hook_is_said(install_plugin):
    install_plugin("broken", GOOD.replace("c3_spaces", "c3_space"))
    assert warned() == "plugin 'broken': no hook is called 'c3_space', did you mean c3_spaces?"
    assert "good" in names("tower")


def test_a_hook_without_its_mark_is_said(install_plugin):
    install_plugin("broken", GOOD.replace("@hookimpl\ndef c3_spaces", "def c3_spaces"))
    assert warned() == "plugin 'broken': c3_spaces does nothing without @hookimpl (from c3core import hookimpl)"
    assert "good" in names("tower")


def test_nobody_can_take_a_name_of_ours(install_plugin):
    ours = entry("space", "playground")
    install_plugin("aaa", GOOD.replace('"good", "good_parts:load"', '"playground", "m:f"'))
    assert warned() == ("plugin 'aaa': space 'playground' was left out, plugin 'c3_playground' has one of that name")
    assert entry("space", "playground") == ours


def test_of_two_plugins_with_one_name_the_first_keeps_it(install_plugin):
    install_plugin("aaa", GOOD)
    install_plugin("bbb", GOOD.replace("c3_towers", "c3_tables"))
    assert warned() == "plugin 'bbb': space 'good' was left out, plugin 'aaa' has one of that name"
    assert entry("space", "good").plugin == "aaa"
    assert entry("table", "good").plugin == "bbb"


def test_of_two_packages_with_one_entry_point_one_stays(install_plugin):
    install_plugin("aaa", GOOD, point="same")
    install_plugin("bbb", GOOD.replace('"good"', '"other"'), point="same")
    assert warned().startswith("plugin 'same' (")
    assert len({"good", "other"} & set(names("space"))) == 1


def test_an_unknown_name_offers_near_ones():
    with pytest.raises(C3Error, match=r"no space is called 'playgruond': did you mean playground\?"):
        entry("space", "playgruond")
    with pytest.raises(C3Error, match=r"no decoder is called 'zzz': known: .*gpt2.*`c3 plugins` lists"):
        entry("decoder", "zzz")
