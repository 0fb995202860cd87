"""Break the code on purpose, a little at a time, and count the faults that no test notices: `make mutants`.

    python tests/mutants/run.py [--count 400] [--seed 0] [--packages bridges store]

mutmut makes the mutants: it changes an operator, a number, an argument or a string of a function. `--count` of them are
drawn by the seed. A mutant is killed if a test of its own package fails; the other packages' tests are not run. The
options of mutmut are in `pyproject.toml`. Mutants of error messages and warnings are left out there, since tests check
the kinds of errors and not their words, and so are those of the fonts and lines of plots.

The folder `.mutants/PACKAGE` keeps the log of mutmut and all mutants of a package. `mutmut browse` in it shows them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

from c3core.runtime import print_table, progress_bar

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".mutants"
PACKAGES = ("bridges", "statistics", "training", "pipeline", "store", "spaces", "metrics")
KILLED = ("killed", "segfault")  # a test failed, or the process died
PROCESSES = 2
MUTMUT = str(Path(sys.executable).with_name("mutmut"))


def mutants_of(package: str) -> list[str]:
    """Return the names of all mutants of a package."""
    return [
        get_mutant_name(path.relative_to(ROOT), name)
        for path in sorted((ROOT / "c3core" / package).glob("*.py"))
        for name in mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
    ]


def prepare(package: str) -> Path:
    """Make the folder that mutmut runs in: links to the code and the tests, and its options for this package."""
    folder = WORK / package
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mutants").mkdir(parents=True)  # Python never imports from a folder that was missing when it started
    for name in ("c3core", "tests"):
        (folder / name).symlink_to(ROOT / name)
    own = f'only_mutate = ["c3core/{package}/*"]\npytest_add_cli_args_test_selection = ["tests/{package}"]\n'
    options = (ROOT / "pyproject.toml").read_text(encoding="utf-8").replace("[tool.mutmut]\n", f"[tool.mutmut]\n{own}")
    (folder / "pyproject.toml").write_text(options, encoding="utf-8")
    return folder


def run_tests(package: str, mutants: Sequence[str]) -> dict[str, str]:
    """Run the tests of a package on its mutants. Return the status of each."""
    folder = prepare(package)
    paths = [str(folder / "mutants"), str(ROOT / "plugins"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [MUTMUT, "run", "--max-children", str(PROCESSES), *mutants]
    log = folder / "mutmut.log"
    with open(log, "w", encoding="utf-8") as output, progress_bar(f"mutants of {package}", total=len(mutants)) as bar:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        shown = 0
        while process.poll() is None:
            time.sleep(1)
            done = sum(status != "not checked" for status in statuses(folder, mutants).values())
            bar.advance(done - shown)
            shown = done
    if process.returncode:
        sys.exit(f"mutmut failed on {package} (exit status {process.returncode}): see {log}")
    return statuses(folder, mutants)


def statuses(folder: Path, mutants: Sequence[str]) -> dict[str, str]:
    """Read what mutmut has written about the mutants so far."""
    codes: dict[str, int | None] = {}
    for path in folder.glob("mutants/c3core/**/*.meta"):
        try:
            codes |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        except ValueError:  # mutmut is writing it
            continue
    return {name: status_by_exit_code[codes.get(name)] for name in mutants}


def diff(package: str, mutant: str) -> str:
    """Return the change that a mutant makes."""
    command = [MUTMUT, "show", mutant]
    shown = subprocess.run(command, cwd=WORK / package, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in shown.splitlines() if not line.startswith(("---", "+++", "# ")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    arguments = parser.parse_args()
    os.chdir(ROOT)  # where mutmut looks for its options
    population = {package: mutants_of(package) for package in arguments.packages}
    named = sorted((package, name) for package, names in population.items() for name in names)
    drawn = random.Random(arguments.seed).sample(named, min(arguments.count, len(named)))
    sampled = {package: [name for owner, name in drawn if owner == package] for package in arguments.packages}
    found: dict[str, dict[str, str]] = {}
    for package, names in sampled.items():
        if names:
            found[package] = run_tests(package, names)
            for name, status in found[package].items():
                if status not in (*KILLED, "timeout"):
                    print(f"{name}: {status}\n{diff(package, name)}\n", flush=True)
    rows = [row(package, len(population[package]), [*results.values()]) for package, results in found.items()]
    rows.append(row("all", len(named), [status for results in found.values() for status in results.values()]))
    print_table(rows, list(rows[0]))


def row(package: str, made: int, results: Sequence[str]) -> dict[str, str]:
    """Return a row of the table: `share` counts a timeout as killed."""
    killed, timeout = sum(status in KILLED for status in results), results.count("timeout")
    return {
        "package": package,
        "made": str(made),
        "mutants": str(len(results)),
        "killed": str(killed),
        "survived": str(len(results) - killed - timeout),
        "timeout": str(timeout),
        "share": f"{100 * (killed + timeout) / len(results):.0f} %",
    }


if __name__ == "__main__":
    main()
