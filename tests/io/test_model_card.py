"""The license of a model, from its card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from c3core.io.model_card import UNKNOWN_LICENSE, model_license


@pytest.mark.parametrize(
    ("card", "license"),
    [
        ("---\nlicense: mit\n---\nA model.", "mit"),
        ("---\ntags: [a]\n---\nA model.", UNKNOWN_LICENSE),
        ("A model.", UNKNOWN_LICENSE),
        ("---\n: : [\n---", UNKNOWN_LICENSE),
        (None, UNKNOWN_LICENSE),
    ],
)
def test_the_license_that_a_folders_card_names(tmp_path: Path, card: str | None, license: str) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert model_license(tmp_path) == license


HUB = """
from c3core.errors import C3Error
from c3core.io import check_hub, model_license
try:
    model_license("org/name")
except C3Error as error:
    print(error)
print(model_license("org/cached"))
for name in ("org/name", "org/cached", "no/such/name"):  # the last can be no name of a model, which loading says
    try:
        check_hub(name, "config.json", advice="Fetch it.")
    except C3Error as error:
        print(type(error).__name__, error)
"""


def test_the_hub_is_asked_only_for_a_model_that_is_not_in_its_cache(tmp_path: Path) -> None:
    """In a process that may not use the network."""
    folder = tmp_path / "hub" / "models--org--cached"
    for place, text in {"refs/main": "abc", "snapshots/abc/config.json": "{}"}.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)
    (folder / "snapshots" / "abc" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "PATH": ""}
    command = [sys.executable, "-c", HUB]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
    refused, license, unreachable = done.stdout.splitlines()
    assert refused.startswith("there is no folder 'org/name', and the hub has no such model or cannot be reached")
    assert license == "apache-2.0"
    assert unreachable == "NotReachable org/name is not on this machine, and the hub cannot be reached. Fetch it."
