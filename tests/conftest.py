"""What several test files share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from c3core.registry.discovery import entries

# A busy machine must not fail a test: how long an example takes says nothing about whether it is right.
settings.register_profile("c3core", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("c3core")

InstallPlugin = Callable[..., Path]


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """`install_plugin("name", source, module=source…)` puts a package with an entry point onto the path, as pip would.

    It gives the folder, for the PYTHONPATH of a subprocess. Afterwards the registry forgets the plugins.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    known = set(sys.modules)

    def install(name: str, source: str, *, point: str | None = None, **modules: str) -> Path:
        for module, text in {name: source, **modules}.items():
            (site / f"{module}.py").write_text(text, encoding="utf-8")
        information = site / f"{name}-1.0.dist-info"
        information.mkdir()
        package = name.replace("_", "-")
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[c3core]\n{point or name} = {name}\n")
        entries.cache_clear()
        return site

    entries.cache_clear()
    yield install
    entries.cache_clear()
    for module in set(sys.modules) - known:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(site)):
            del sys.modules[module]
