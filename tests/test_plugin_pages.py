"""The plugin of docs/plugins/hello.md works after each page as it is printed; broken plugins harm nothing else."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "examples" / "c3-colors"
PAGES = [ROOT / f"docs/plugins/{name}.md" for name in ("hello", "tower", "decoder", "bridge")]
TEXT = "".join(page.read_text(encoding="utf-8") for page in PAGES)
SHOWN = re.compile(r"^<!-- generated: code examples/c3-colors/([^:\s]+)(?::\w+)? -->$", re.MULTILINE)
OUTPUT = re.compile(r'^```text title="output of ([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
BETWEEN_HOOKS = "\n\n\n@"

SPACE, TOWER, DECODER, BRIDGE = range(4)  # the pages, after each of which the plugin works


def files(last: int) -> dict[str, str]:
    """The plugin's files as a reader has them after a page. What it brings grows by the hooks that the pages show."""
    shown = [name for page in PAGES[: last + 1] for name in SHOWN.findall(page.read_text(encoding="utf-8"))]
    found = {name: (SOURCE / name).read_text(encoding="utf-8") for name in shown}
    brings = next(name for name in found if name.endswith("__init__.py"))
    hooks = found[brings].split(BETWEEN_HOOKS)
    found[brings] = BETWEEN_HOOKS.join(hooks[: 1 + shown.count(brings)])
    return found


def output(script: str) -> str:
    """What the page says that a script prints."""
    return dict(OUTPUT.findall(TEXT))[script]


def run_with(path: Path | None, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of this Python in a process of its own, with `path` on its PYTHONPATH."""
    paths = [str(path) if path else "", os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def c3(*arguments: object) -> tuple[str, ...]:
    return ("-c", "from c3core.cli import main; main()", *map(str, arguments))


class Plugin(NamedTuple):
    project: Path  # the tutorial's files
    site: Path  # the package, installed

    def run(self, *command: object) -> str:
        """Run a command in the project. Return what it prints."""
        ran = run_with(self.site, *command, cwd=self.project)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="session")
def plugin_after(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Plugin]:
    """The plugin after a page, installed by pip without a download."""
    made: dict[int, Plugin] = {}

    def make(page: int) -> Plugin:
        if page not in made:
            plugin = Plugin(tmp_path_factory.mktemp("c3-colors"), tmp_path_factory.mktemp("site"))
            for name, text in files(page).items():
                (plugin.project / name).parent.mkdir(parents=True, exist_ok=True)
                (plugin.project / name).write_text(text, encoding="utf-8")
            options = [
                "--no-deps",
                "--no-build-isolation",
                "--no-index",
                "--no-cache-dir",
                "--disable-pip-version-check",
            ]
            pip = ["-m", "pip", "install", "--quiet", *options, "--target", plugin.site, plugin.project]
            done = run_with(None, *pip, cwd=plugin.project)
            assert done.returncode == 0, done.stderr
            made[page] = plugin
        return made[page]

    return make


def test_each_file_is_named_in_the_text() -> None:
    """A page that shows no titles must name the files too."""
    for name in files(BRIDGE):
        assert f"`{name}`" in TEXT, name


def test_its_python_imports_only_public_packages_of_c3core() -> None:
    code = "\n".join(text for name, text in files(BRIDGE).items() if name.endswith(".py"))
    imported = set(re.findall(r"^\s*(?:from|import) (c3core\S*)", code, re.MULTILINE))
    assert imported <= {"c3core", "c3core.io", "c3core.runtime", "c3core.testing"}


@pytest.mark.parametrize("page", [SPACE, TOWER, DECODER, BRIDGE])
def test_the_plugins_own_tests_pass_after_each_page(plugin_after, page) -> None:
    tests = plugin_after(page).run("-m", "pytest", "-p", "no:cacheprovider", "-v", "tests")
    suites = {SPACE: "TestColor", TOWER: "TestSpectrum", DECODER: "TestSwatch", BRIDGE: "TestStandard"}
    for number, suite in suites.items():
        assert (f"::{suite}::" in tests) == (number <= page)


def test_it_is_listed_as_ready(plugin_after, tmp_path) -> None:
    listed = run_with(plugin_after(SPACE).site, *c3("plugins", "--json"), cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert listed.stderr == ""
    found = {(row["kind"], row["name"]): row for row in json.loads(listed.stdout)}
    row = found["space", "colors"]
    assert (row["plugin"], row["package"], row["ready"], row["missing"]) == ("c3_colors", "c3-colors", True, [])
    assert row["modalities"] == ["color", "text"]
    assert ("space", "playground") in found


def test_its_space_prints_what_the_tutorial_says(plugin_after) -> None:
    assert plugin_after(SPACE).run("try_it.py") == output("try_it.py")


def test_its_colors_are_embedded_on_the_command_line(plugin_after, tmp_path) -> None:
    (command,) = re.findall(r"`c3 (embed .*) --out store`", TEXT)
    embedded = plugin_after(SPACE).run(*c3(*shlex.split(command), "--out", tmp_path / "store", "--json"))
    assert json.loads(embedded)["rows"] == 2


def test_its_embeddings_follow_its_formula_and_bad_sources_are_one_line(plugin_after) -> None:
    code = """
import json, c3core
space = c3core.load_space("colors")
errors = []
for call in (lambda: space.encode(["#12"], "color"), lambda: space.encode(["red", "reddish"], "text"),
             lambda: c3core.load_space("colors:big")):
    try:
        call()
    except c3core.C3Error as error:
        errors.append(str(error))
colors, names = space.encode(["#ff0000", "#000080"], "color"), space.encode(["red"], "text")
print(json.dumps([colors.tolist(), names.tolist(), errors]))
"""
    colors, names, errors = json.loads(plugin_after(SPACE).run("-c", code))
    dark = 128 / 127.5 - 1
    length = (1 + 1 + dark**2 + 1) ** 0.5
    assert colors[0] == pytest.approx([0.5, -0.5, -0.5, 0.5, 0.0], abs=1e-6)
    assert colors[1] == pytest.approx([-1 / length, -1 / length, dark / length, 1 / length, 0.0], abs=1e-6)
    assert names == [pytest.approx([0.5, -0.5, -0.5, 0.0, 0.5], abs=1e-6)]
    assert [error.count("\n") for error in errors] == [0, 0, 0]
    assert "#12: " in errors[0]
    assert "reddish: " in errors[1]


def test_its_recordings_join_a_space(plugin_after) -> None:
    plugin = plugin_after(TOWER)
    plugin.run("make_recordings.py")
    plugin.run(*c3("connect", "base.yaml", "--out", "base", "--quiet"))
    measured = plugin.run(*c3("connect", "join.yaml", "--out", "space", "--quiet", "--json"))
    assert list(json.loads(measured)) == ["text-spectrum"]
    before, after = (json.loads((plugin.project / name / "space.json").read_text()) for name in ("base", "space"))
    assert before["encoders"].items() <= after["encoders"].items()
    printed, expected = plugin.run("find.py"), output("find.py")
    modalities, right, count = re.fullmatch(r"(\(.*\)): (\d+) of (\d+)\n", expected).groups()
    found = re.fullmatch(rf"{re.escape(modalities)}: (\d+) of {count}\n", printed)
    assert found, printed
    assert int(found[1]) >= 0.9 * int(right)  # arithmetic differs between processors


def test_its_decoder_is_trained_on_colors_and_draws_from_names(plugin_after, tmp_path) -> None:
    plugin = plugin_after(DECODER)
    plugin.run(*c3("fit", "swatch.yaml", "--out", tmp_path / "swatch", "--quiet"))
    drawn = tmp_path / "drawn"
    plugin.run(*c3("run", tmp_path / "swatch", "red", "green", "blue", "--modality", "text", "--out", drawn))
    told = re.search(r"red gives about `(#\w+)`, green `(#\w+)`, blue `(#\w+)`", TEXT)
    for path, color in zip(sorted(drawn.glob("*.svg")), told.groups(), strict=True):
        found = re.search('fill="(#[0-9a-f]{6})"', path.read_text())[1]
        far = [abs(a - b) for a, b in zip(bytes.fromhex(found[1:]), bytes.fromhex(color[1:]), strict=True)]
        assert max(far) <= 30, (path.name, found)
    scored = plugin.run(*c3("evaluate", tmp_path / "swatch", "colors:200", "--json"))
    assert json.loads(scored)["r1"] >= 50


def test_its_bridge_is_fitted_and_another_option_of_its_decoder_is_another_run(plugin_after, tmp_path) -> None:
    plugin = plugin_after(BRIDGE)
    recipe = files(BRIDGE)["swatch.yaml"]
    bridge = "{name: c3, noise_std: 0.02, rescale: none}"
    assert bridge in recipe
    recipe = recipe.replace(bridge, "{name: standard, noise_std: 0.05}")
    (plugin.project / "other.yaml").write_text(recipe.replace("name: swatch", "name: swatch, width: 64"))
    plugin.run(*c3("fit", "other.yaml", "--out", tmp_path / "out", "--quiet"))
    (plugin.project / "other.yaml").write_text(recipe.replace("name: swatch", "name: swatch, width: 32"))
    again = run_with(plugin.site, *c3("fit", "other.yaml", "--out", tmp_path / "out", "--quiet"), cwd=plugin.project)
    assert again.returncode == 2, again.stderr
    assert "width" in again.stderr
    scored = plugin.run(*c3("evaluate", tmp_path / "out", "colors:200", "--json"))
    assert json.loads(scored)["r1"] >= 50


# ---- plugins that are broken

NEIGHBOUR = """
from c3core import hookimpl

@hookimpl
def c3_spaces(register):
    register("good", "neighbour_parts:load")
"""

BROKEN = {
    "import": (
        "raise ImportError('libcolour.so: cannot open')",
        "plugin 'stranger' (stranger) was left out: ImportError",
    ),
    "hook": (
        "from c3core import hookimpl\n@hookimpl\ndef c3_spaces(register): raise RuntimeError('oh no')",
        "plugin 'stranger' was left out of c3_spaces: RuntimeError: oh no",
    ),
    "twice": (
        "from c3core import hookimpl\n@hookimpl\ndef c3_spaces(register):\n"
        "    register('mine', 'm:f')\n    register('mine', 'm:f')",
        "plugin 'stranger' was left out of c3_spaces: C3Error: it registers the space 'mine' twice",
    ),
    "ours": (
        "from c3core import hookimpl\n@hookimpl\ndef c3_spaces(register): register('playground', 'm:f')",
        "plugin 'stranger': space 'playground' was left out, plugin 'c3_playground' has one of that name",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_one_warning_that_names_it_and_harms_nothing_else(install_plugin, tmp_path, kind):
    source, warning = BROKEN[kind]
    plain = run_with(None, *c3("plugins", "--json"), cwd=tmp_path)
    install_plugin("neighbour", NEIGHBOUR)
    folder = install_plugin("stranger", source)
    listed = run_with(folder, *c3("plugins", "--json"), cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    (line,) = listed.stderr.splitlines()
    assert line.startswith(f"warning: {warning}")
    rows = json.loads(listed.stdout)
    assert [row for row in rows if row["plugin"] != "neighbour"] == json.loads(plain.stdout)
    assert [row["name"] for row in rows if row["plugin"] == "neighbour"] == ["good"]


def test_a_plugin_whose_library_is_absent_is_listed_and_says_what_to_install(install_plugin, tmp_path):
    source = NEIGHBOUR.replace('load"', 'load", requires=["no_such_library"], extra="neighbour[all]"')
    folder = install_plugin("neighbour", source, neighbour_parts="import no_such_library")
    listed = run_with(folder, *c3("plugins", "--json"), cwd=tmp_path)
    (row,) = (row for row in json.loads(listed.stdout) if row["name"] == "good")
    assert (row["ready"], row["missing"]) == (False, ["no_such_library"])
    assert listed.stderr == ""
    shown = run_with(folder, *c3("plugins"), cwd=tmp_path)
    assert re.search(r"good .*pip install neighbour\[all\]", shown.stdout)
    used = run_with(folder, *c3("embed", "good", "text", "x", "--out", str(tmp_path / "store")), cwd=tmp_path)
    assert used.returncode == 1
    assert used.stderr == "error: space 'good' needs no_such_library. Install it: pip install neighbour[all]\n"
