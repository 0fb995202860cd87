"""The suite of plugins: our own pass it, and a broken one fails the right test."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from c3core.errors import C3Error
from c3core.registry.hooks import GROUP
from c3core.testing import PluginContract

OWN = sorted(point.name for point in entry_points(group=GROUP) if point.name.startswith("c3_"))


@pytest.fixture(params=OWN)
def suite(request: pytest.FixtureRequest) -> PluginContract:
    return type("Suite", (PluginContract,), {"plugin": request.param})()


@pytest.mark.parametrize("test", [name for name in vars(PluginContract) if name.startswith("test_")])
def test_our_own_keep_it(suite: PluginContract, test: str) -> None:
    getattr(suite, test)()


WRONG = {
    "test_it_registers_something_without_a_warning": [
        "def c3_spaces(register): register('mine', 'm:f')",
        "@hookimpl\ndef c3_spaces(register): ...",
        "@hookimpl\ndef c3_space(register): register('mine', 'm:f')",
    ],
    "test_each_factory_whose_requirements_are_installed_can_be_imported": [
        "@hookimpl\ndef c3_spaces(register): register('mine', 'json:lods')"
    ],
    "test_each_factory_takes_its_arguments": [
        "@hookimpl\ndef c3_spaces(register): register('mine', 'textwrap:dedent')",
        "@hookimpl\ndef c3_bridges(register): register('mine', 'os:getcwdb')",
    ],
    "test_a_decoder_says_the_name_and_the_modality_that_it_is_registered_with": [
        "class Own: name, modality = 'own', 'text'\n\n@hookimpl\ndef c3_decoders(register): register('mine', 'wrong:Own')",
        "class Own: name, modality = 'own', 'text'\n\n@hookimpl\ndef c3_decoders(register):"
        " register('own', 'wrong:Own', modalities=('image',))",
    ],
    "test_a_space_or_tower_has_the_modalities_that_it_is_registered_with": [
        "from c3_playground.space import load\n\n@hookimpl\ndef c3_spaces(register):"
        " register('mine', 'wrong:load', modalities=('pictures', 'text'))",
        "class Own: modality = 'text'\n\n@hookimpl\ndef c3_towers(register):"
        " register('own', 'wrong:Own', modalities=('image',))",
    ],
    "test_registering_imports_no_heavy_library": [
        "import torch",
        "@hookimpl\ndef c3_spaces(register): import torch",
    ],
}


@pytest.mark.parametrize(("test", "source"), [(test, source) for test, sources in WRONG.items() for source in sources])
def test_it_sees_what_is_wrong(test: str, source: str, install_plugin) -> None:
    install_plugin("wrong", f"from c3core import hookimpl\n\n{source}\n")
    suite = type("Suite", (PluginContract,), {"plugin": "wrong"})()
    with pytest.raises((AssertionError, C3Error)):
        getattr(suite, test)()
