"""The page in a real browser: from a file to its caption, from a sentence to drawings, and what goes wrong between."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from c3_playground.world import World
from tests.helpers import browser
from tests.helpers.browser import Browser

pytest.importorskip("gradio", reason="needs the extra app")
pytest.importorskip("matplotlib", reason="needs the extra app")
pytest.importorskip("transformers", reason="needs the extra gpt2")
needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="needs Chromium: apt-get install chromium")

from c3_app.server import served  # noqa: E402
from c3_app.trial import Trial  # noqa: E402
from c3core import load_pipeline  # noqa: E402

CAPTIONER, PAINTER = "playground/captioner", "playground/painter-stylegan"
CAPTION = "document.querySelector('textarea:disabled')?.value"
DRAWN = "[...document.querySelectorAll('.c3-drawings img')].filter(one => one.complete && one.naturalWidth).length"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(Trial([CAPTIONER, PAINTER], device="cpu"), port=free_port()) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, address: str) -> Browser:
    chromium.open(address)
    chromium.wait("document.body.innerText.includes('What is shown')")
    return chromium


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def picture(folder: Path, name: str = "ring.png", number: int = 0) -> Path:
    Image.fromarray(World().items("image", "test", number + 1)[number].data).save(folder / name)
    return folder / name


def shows(words: str) -> str:
    return f"""[document.body.innerText, ...[...document.querySelectorAll('textarea')].map(one => one.value)]
        .join(' ').includes({words!r})"""


@needs_browser
def test_from_a_file_to_its_caption_and_drawings(page: Browser, address: str, tmp_path: Path) -> None:
    path = picture(tmp_path)
    page.upload(path)
    page.wait(shows(load_pipeline(CAPTIONER, device="cpu")(str(path))))
    page.wait(f"{DRAWN} == 4")
    page.wait("[...document.images].filter(one => one.offsetParent && one.naturalWidth > 600).length >= 4")  # the views
    assert "Nearest of 100 sentences, samples of space playground" in page.text()
    page.resize(400, 800, phone=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.resize(1200, 900)
    foreign = [asked for asked in page.requests if not asked.startswith((address, "data:", "blob:", "about:"))]
    assert foreign == []


@needs_browser
def test_a_broken_file_says_why_and_the_next_one_works(page: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture(tmp_path).read_bytes()[:300])
    page.upload(broken)
    page.wait(shows("broken.png: the picture is broken or truncated"))
    assert "/broken.png" not in page.text()
    path = picture(tmp_path, number=1)
    page.upload(path)
    page.wait(shows(load_pipeline(CAPTIONER, device="cpu")(str(path))))
    assert "This input cannot be used" not in page.evaluate("document.body.innerText")


@needs_browser
def test_from_a_sentence_to_drawings(page: Browser) -> None:
    page.type("textarea:not(:disabled)", "a large red ring")
    page.wait(f"{DRAWN} == 4")
    page.wait(shows("seed 3"))
    page.wait(shows("This pipeline takes no text."))


@needs_browser
def test_an_example(page: Browser) -> None:
    page.click("document.querySelector('.gallery-item')")
    page.wait(shows(load_pipeline(CAPTIONER, device="cpu")(World().items("image", "test", 1)[0].data)))


@needs_browser
def test_a_browser_that_goes_away_in_the_middle(page: Browser, address: str, tmp_path: Path) -> None:
    page.type("textarea:not(:disabled)", "a large red ring")
    page.leave()
    page.open(address)
    path = picture(tmp_path, number=2)
    page.upload(path)
    page.wait(shows(load_pipeline(CAPTIONER, device="cpu")(str(path))))


def test_uploads_are_removed_at_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    port = free_port()
    with served(Trial([PAINTER], device="cpu"), port=port):
        assert len([*tmp_path.rglob("*.png")]) > 7  # the examples
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
