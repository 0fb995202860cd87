"""Plugins are found by their entry points and imported lazily. A broken one does not affect the others."""

from __future__ import annotations

import json
import re
import sys
import types
import warnings

import pytest

from c3core.errors import C3Error, NotInstalled, WrongCall
from c3core.registry.discovery import KINDS, entries, entry, register
from c3core.registry.registration import Entry

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


def test_a_factory_whose_module_fails_to_import_is_told_by_its_line(install_plugin):
    install_plugin("good", GOOD, good_parts="import json\nfrom json import lods\n")
    with pytest.raises(NotInstalled, match=r"ImportError: cannot import name 'lods'.*good_parts.py, line 2\)"):
        entry("space", "good").load()


def test_they_are_collected_once():
    assert entries() is entries()


def test_a_missing_requirement_is_named_with_what_to_install(install_plugin):
    source = GOOD.replace('summary="of scents"', 'requires=["json", "no_such_library.part"], extra="good[all]"')
    install_plugin("good", source, good_parts="import no_such_library")
    found = entry("space", "good")
    assert found.missing == ["no_such_library.part"]
    with pytest.raises(C3Error, match=r"no_such_library.part.*pip install good\[all\]$"):
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
def test_what_to_install_depends_on_the_plugins_package(package, extra, install):
    found = Entry("space", "x", "m:f", "c3_x", package, requires=("no_such_library",), extra=extra)
    with pytest.raises(C3Error) as caught:
        found.load()
    assert str(caught.value).endswith(f"pip install {install}")


@pytest.mark.parametrize("extra", ["", "[all]"])
def test_a_plugin_from_a_folder_is_installed_from_there(extra, install_plugin, tmp_path):
    site = install_plugin("pulse", GOOD.replace("good_parts", "no_parts"))
    (site / "pulse-1.0.dist-info" / "direct_url.json").write_text(json.dumps({"url": (tmp_path / "a b").as_uri()}))
    assert Entry("space", "x", "m:f", "pulse", "pulse", extra=f"pulse{extra}").install == f'"{tmp_path}/a b{extra}"'
    with pytest.raises(C3Error, match="pip install .*/a b"):
        entry("space", "good").load()


def test_a_module_that_was_made_by_hand_is_not_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    assert Entry("space", "x", "m:f", "x", "x", requires=("made_by_hand",)).missing == []


@pytest.mark.parametrize("factory", ["good_parts:other", "good_parts_of_old:load"])
def test_a_factory_that_is_not_there_is_an_error_of_two_lines_at_most(install_plugin, factory):
    install_plugin("good", GOOD.replace("good_parts:load", factory), good_parts="def load(): ...")
    with pytest.raises(C3Error, match="pip install good") as caught:
        entry("space", "good").load()
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise ImportError('libfoo.so: not found')", "ImportError: libfoo.so: not found"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit('no license')", "SystemExit: no license"),
        ("def half(:", "SyntaxError: invalid syntax (/"),
        ("1 / 0", "broken.py, line 1)"),
    ],
    ids=["missing", "import", "error", "exit", "syntax", "line"],
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
        ("register('x', 'no colon')", "module:function"),
        ("register('x', 'm:f', color='red')", "'color'"),
        ("register('one', 'm:g')", "'one' twice"),
        ("register('', 'm:g')", "''"),
        ("register('my:space', 'm:g')", "'my:space'"),
        ("register('x', 'm:g', modalities='text')", "('text',)"),
        ("register('x', 'm:g', requires='torch')", "('torch',)"),
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


def test_a_misspelt_hook_is_a_warning(install_plugin):
    install_plugin("broken", GOOD.replace("c3_spaces", "c3_space"))
    assert "did you mean c3_spaces" in warned()
    assert "good" in names("tower")


def test_a_hook_without_its_decorator_is_a_warning(install_plugin):
    install_plugin("broken", GOOD.replace("@hookimpl\ndef c3_spaces", "def c3_spaces"))
    assert "@hookimpl" in warned()
    assert "good" in names("tower")


def test_nobody_can_take_a_name_of_ours(install_plugin):
    ours = entry("space", "playground")
    install_plugin("aaa", GOOD.replace('"good", "good_parts:load"', '"playground", "m:f"'))
    assert re.search("'aaa'.*'playground' was left out.*'c3_playground'", warned())
    assert entry("space", "playground") == ours


def test_of_two_plugins_with_one_name_the_first_keeps_it(install_plugin):
    install_plugin("aaa", GOOD)
    install_plugin("bbb", GOOD.replace("c3_towers", "c3_tables"))
    assert re.search("'bbb'.*'good' was left out.*'aaa'", warned())
    assert entry("space", "good").plugin == "aaa"
    assert entry("table", "good").plugin == "bbb"


def test_of_two_packages_with_one_entry_point_one_stays(install_plugin):
    install_plugin("aaa", GOOD, point="same")
    install_plugin("bbb", GOOD.replace('"good"', '"other"'), point="same")
    assert warned().startswith("plugin 'same' (")
    assert len({"good", "other"} & set(names("space"))) == 1


def test_an_unknown_name_offers_near_ones():
    with pytest.raises(WrongCall, match="did you mean playground"):
        entry("space", "playgruond")
    with pytest.raises(WrongCall, match=r"known: .*gpt2"):
        entry("decoder", "zzz")


def nose():
    return "a nose"


def test_a_script_registers_what_it_defines_itself():
    register("tower", "nose-of-a-script", nose, modalities=("smell",))
    register("tower", "nose-of-a-script", nose)  # a cell that runs again
    found = entry("tower", "nose-of-a-script")
    assert (found.load()(), found.plugin) == ("a nose", __name__)
    with pytest.raises(WrongCall, match="did you mean tower"):
        register("towr", "x", nose)
    with pytest.raises(WrongCall, match="plugin 'c3_playground' has a tower 'playground-text'"):
        register("tower", "playground-text", nose)
    with pytest.raises(WrongCall, match="Define it at the top level"):
        register("tower", "x", lambda: "inside")
