"""`c3 app` refuses what cannot be shown, in one line, before a page is opened."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from c3core.registry.discovery import entries
from c3core.testing import PluginContract
from tests.helpers.command_line import c3, fails

CAPTIONER = "playground/captioner"


class TestPlugin(PluginContract):
    plugin = "c3_app"
    heavy = (*PluginContract.heavy, "gradio", "matplotlib")


def test_a_port_that_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails("app", CAPTIONER, "--port", port, says=f"port {port} is in use. Choose another one: --port {port + 1}")


def test_an_address_of_another_machine() -> None:
    fails("app", CAPTIONER, "--host", "192.0.2.1", says="cannot listen at 192.0.2.1")


def test_a_pipeline_that_is_none(tmp_path: Path) -> None:
    fails("app", "playground/captionar", status=2, says="did you mean playground/captioner")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    fails("app", tmp_path, status=2, says="holds an unfinished training")


def test_wrong_items() -> None:
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    fails("app", CAPTIONER, "--items", "captions.txt", status=2, says="--items takes MODALITY=ITEMS")
    fails("app", CAPTIONER, "--items", "image=no/such.png", status=2, says="no/such.png does not exist")
    fails("app", CAPTIONER, "--items", "depth=a.png", status=2, says="no pipeline takes or makes 'depth'")


def test_without_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    entries.cache_clear()
    fails("app", CAPTIONER, says="needs gradio. Install it: pip install")
    assert "Try pipelines" not in c3("--help").stderr
