"""The plugin of docs/plugin-tutorial.md, installed as an outsider would; and outside plugins that are broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "plugin-tutorial.md"
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SHOWN = "what it prints"


def blocks() -> dict[str, str]:
    """The files of the tutorial by name, as it prints them."""
    return dict(BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")))


def run_with(path: Path | None, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of this Python in a process of its own, with `path` on its PYTHONPATH."""
    paths = [str(path) if path else "", os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def c3(*arguments: str) -> tuple[str, ...]:
    return ("-c", "from c3core.cli import main; main()", *arguments)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's files in a folder."""
    folder = tmp_path_factory.mktemp("c3-colours")
    for name, text in blocks().items():
        if name != SHOWN:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the tutorial's package is installed into. Nothing is downloaded."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--disable-pip-version-check"]
    done = run_with(None, "-m", "pip", "install", "--quiet", *options, "--target", folder, project, cwd=project)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_tutorial_has_the_files_that_it_speaks_of(project):
    text = TUTORIAL.read_text(encoding="utf-8")
    files = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert {"pyproject.toml", "src/c3_colours/__init__.py", "src/c3_colours/space.py", "tests/test_colours.py"} < files
    for name in files:
        assert f"`{name}`" in text, "a page without titles must say the name too"
    for link in re.findall(r"\]\((\.\./[^)]+)\)", text):
        assert (TUTORIAL.parent / link).exists(), link


def test_its_python_uses_public_names_of_c3core_alone():
    code = "\n".join(text for name, text in blocks().items() if name.endswith(".py"))
    assert set(re.findall(r"^\s*(?:from|import) (c3core\S*)", code, re.MULTILINE)) == {
        "c3core",
        "c3core.io",
        "c3core.runtime",
        "c3core.testing",
    }


def test_it_is_listed_as_ready(site, tmp_path):
    listed = run_with(site, *c3("plugins", "--json"), cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert listed.stderr == ""
    found = {(row["kind"], row["name"]): row for row in json.loads(listed.stdout)}
    row = found["space", "colours"]
    assert (row["plugin"], row["package"], row["ready"], row["missing"]) == ("c3_colours", "c3-colours", True, [])
    assert row["modalities"] == ["colour", "text"]
    assert ("space", "playground") in found


def test_it_prints_what_the_tutorial_says(site, project):
    ran = run_with(site, "try_it.py", cwd=project)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == blocks()[SHOWN]


def test_its_embeddings_are_those_of_its_formula_and_bad_sources_are_one_line(site, tmp_path):
    code = """
import json, c3core
space = c3core.load_space("colours")
said = []
for call in (lambda: space.encode(["#12"], "colour"), lambda: space.encode(["red", "reddish"], "text"),
             lambda: c3core.load_space("colours:big")):
    try:
        call()
    except c3core.C3Error as error:
        said.append(str(error))
colours, names = space.encode(["#ff0000", "#000080"], "colour"), space.encode(["red"], "text")
print(json.dumps([colours.tolist(), names.tolist(), said]))
"""
    ran = run_with(site, "-c", code, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    colours, names, (bad_colour, bad_name, bad_argument) = json.loads(ran.stdout)
    dark = 128 / 127.5 - 1
    length = (1 + 1 + dark**2 + 1) ** 0.5
    assert colours[0] == pytest.approx([0.5, -0.5, -0.5, 0.5, 0.0], abs=1e-6)
    assert colours[1] == pytest.approx([-1 / length, -1 / length, dark / length, 1 / length, 0.0], abs=1e-6)
    assert names == [pytest.approx([0.5, -0.5, -0.5, 0.0, 0.5], abs=1e-6)]
    assert "#12: a colour is written like #ff8800" in bad_colour
    assert "reddish: the known names are red, orange, " in bad_name
    assert bad_argument == "the space colours takes no argument, got 'big'. Write colours."


def test_its_own_tests_pass(site, project):
    ran = run_with(site, "-m", "pytest", "-p", "no:cacheprovider", "-v", "tests", cwd=project)
    assert ran.returncode == 0, ran.stdout
    assert "TestColour::test_embed_lets_gradients_through PASSED" in ran.stdout
    assert "TestName::test_order_is_kept PASSED" in ran.stdout


def test_its_decoder_is_trained_on_colours_and_draws_from_names(site, project, tmp_path):
    for command in (
        ("fit", "swatch.yaml", "--out", tmp_path / "swatch", "--quiet"),
        ("run", tmp_path / "swatch", "red", "green", "blue", "--modality", "text", "--out", tmp_path / "drawn"),
    ):
        ran = run_with(site, *c3(*map(str, command)), cwd=project)
        assert ran.returncode == 0, ran.stderr
    told = re.search(r"red gives about `(#\w+)`, green `(#\w+)`, blue `(#\w+)`", TUTORIAL.read_text(encoding="utf-8"))
    for path, colour in zip(sorted((tmp_path / "drawn").glob("*.svg")), told.groups(), strict=True):
        found = re.search('fill="(#[0-9a-f]{6})"', path.read_text())[1]
        far = [abs(a - b) for a, b in zip(bytes.fromhex(found[1:]), bytes.fromhex(colour[1:]), strict=True)]
        assert max(far) <= 30, (path.name, found)
    scored = run_with(site, *c3("evaluate", str(tmp_path / "swatch"), "colours:200", "--json"), cwd=project)
    assert json.loads(scored.stdout)["r1"] >= 50
    assert (project / "src/c3_colours/pairs.py").exists()


def test_its_bridge_is_fitted_and_another_option_of_its_decoder_is_another_run(site, project, tmp_path):
    recipe = blocks()["swatch.yaml"].replace(
        "{name: c3, noise_std: 0.02, rescale: none}", "{name: standard, noise_std: 0.05}"
    )
    for width, says in ((64, None), (32, "holds a run of another recipe: decoder.width was 64")):
        (project / "other.yaml").write_text(recipe.replace("name: swatch", f"name: swatch, width: {width}"))
        ran = run_with(site, *c3("fit", "other.yaml", "--out", str(tmp_path / "out"), "--quiet"), cwd=project)
        assert ran.returncode == (0 if says is None else 2), ran.stderr
        assert says is None or says in ran.stderr
    drawn = run_with(site, *c3("evaluate", str(tmp_path / "out"), "colours:200", "--json"), cwd=project)
    assert json.loads(drawn.stdout)["r1"] >= 50


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
    assert re.search(r"good .* neighbour .* needs no_such_library", shown.stdout)
    used = run_with(folder, *c3("embed", "good", "text", "x", "--out", str(tmp_path / "store")), cwd=tmp_path)
    assert used.returncode == 1
    assert used.stderr == "error: space 'good' needs no_such_library. Install it: pip install neighbour[all]\n"
