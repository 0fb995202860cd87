"""Imports run one way: between the core's packages, between modules, and from plugins to the core's public names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "c3core"
PLUGINS = sorted(path for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists())
LOOSE = {"__init__", "__main__", "errors", "version"}
LARGEST = 10  # modules in a folder, without its `__init__`

# What each package may import, beside itself, `c3core.errors` and `c3core.version`.
MAY_IMPORT = {
    "io": "",
    "runtime": "",
    "contracts": "io runtime",
    "statistics": "io",
    "registry": "io contracts",
    "media": "io contracts",
    "training": "io runtime contracts",
    "store": "io contracts statistics",
    "bridges": "io contracts statistics registry",
    "metrics": "contracts registry",
    "data": "io contracts registry statistics store",
    "testing": "io contracts statistics registry training store",
    "embedding": "io runtime contracts store data",
    "spaces": "io runtime contracts statistics registry training store metrics data embedding",
    "pipeline": "io runtime contracts statistics registry training store bridges data embedding spaces",
    "experiments": "io runtime contracts registry statistics media training store bridges metrics data embedding spaces pipeline",
    "cli": "io runtime contracts registry statistics media training store bridges metrics data embedding spaces pipeline experiments",
}


def public(package: str) -> dict[str, str]:
    """The public names of a package with the module that each comes from, as its stub lists them."""
    stub = CORE.joinpath(*package.split(".")[1:]) / "__init__.pyi"
    lines = ast.parse(stub.read_text(encoding="utf-8")).body if stub.exists() else []
    return {
        name.name: f"{package}.{line.module}"
        for line in lines
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }


def imported(path: Path) -> Iterator[tuple[str, str | None]]:
    """The modules that a file imports, with the name taken from each: inside functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.relative_to(ROOT)} imports relatively: name the module from its top"
            yield from ((str(node.module), alias.name) for alias in node.names)


def modules(root: Path, top: Path) -> dict[str, Path]:
    """The files below `top` by the dotted name from `root`."""
    named = ((".".join(path.relative_to(root).with_suffix("").parts), path) for path in sorted(top.rglob("*.py")))
    return {name.removesuffix(".__init__"): path for name, path in named}


def graph(files: dict[str, Path]) -> dict[str, set[str]]:
    """Which of the modules each of them imports; a public name counts as its own module."""
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for module, taken in imported(path):
            target = f"{module}.{taken}" if f"{module}.{taken}" in files else module
            while target in files and taken in public(target) and target.startswith("c3core"):
                target = public(target)[taken]
            if target in files and target != name:
                edges[name].add(target)
    return edges


def refuse_circle(edges: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"these import one another: {' → '.join(error.args[1])}")


def test_every_file_of_the_core_lies_in_a_package_that_is_listed_here() -> None:
    assert {path.stem for path in CORE.glob("*.py")} <= LOOSE
    assert {path.name for path in CORE.iterdir() if (path / "__init__.py").exists()} == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    allowed = {package, "errors", "version", *MAY_IMPORT[package].split()}
    for path in sorted((CORE / package).rglob("*.py")):
        for module, name in imported(path):
            if module.split(".")[0] == "c3core":
                below = module.split(".")[1] if "." in module else str(name)
                assert below in allowed, f"{path.relative_to(ROOT)} imports {module} {name or ''}"


def test_no_module_of_the_core_imports_itself_by_a_detour() -> None:
    refuse_circle(graph(modules(ROOT, CORE)))


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_no_module_of_a_plugin_imports_itself_by_a_detour(plugin: Path) -> None:
    refuse_circle(graph(modules(ROOT / "plugins", plugin)))


@pytest.mark.parametrize("top", [CORE, *PLUGINS], ids=lambda top: top.name)
def test_no_folder_is_a_hall(top: Path) -> None:
    for folder in {path.parent for path in top.rglob("*.py")}:
        found = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
        assert len(found) <= LARGEST, f"{folder.relative_to(ROOT)} has {len(found)} modules"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_imports_public_names_of_the_core_and_no_other_plugin(plugin: Path) -> None:
    others = {other.name for other in PLUGINS} - {plugin.name}
    for path in sorted(plugin.rglob("*.py")):
        where = path.relative_to(ROOT)
        for module, name in imported(path):
            top = module.split(".")[0]
            assert top not in others, f"{where} imports {module}"
            if top == "c3core" and module != "c3core.errors":
                assert name in public(module), f"{where} imports {module} {name or ''}, which is not public"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_says_in_one_line_what_it_is_for(package: str) -> None:
    doc = import_module(f"c3core.{package}").__doc__ or ""
    assert doc.split("\n")[0].endswith(".")
