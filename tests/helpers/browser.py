"""A headless browser for tests: Chromium, driven over the DevTools protocol through a pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60.0  # seconds


class Browser:
    """A browser with one tab. `requests` are the addresses that its pages have asked for."""

    def __init__(self, width: int = 1200, height: int = 900) -> None:
        assert PROGRAM is not None
        self.profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        reads, self._writes = os.pipe()
        self._reads, writes = os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"]
        options += [f"--user-data-dir={self.profile.name}", f"--window-size={width},{height}", "about:blank"]
        command = ["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "bash", PROGRAM, *options]
        self._process = subprocess.Popen(
            command, pass_fds=(reads, writes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(reads)
        os.close(writes)
        self._held, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self._attach()
        self.resize(width, height)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._writes)
        os.close(self._reads)
        self.profile.cleanup()

    def _attach(self) -> None:
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "DOM", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith("Target."):
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._reads], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._reads, 1 << 20) if ready else b""
            assert part, "the browser does not answer"
            self._held += part
        message, _, self._held = self._held.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        if answer.get("method") == "Network.requestWillBeSent":
            self.requests.append(answer["params"]["request"]["url"])
        return answer

    # ---- what tests do

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page another size, that of a phone's with touch and two pixels a unit."""
        scale = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState == 'complete'")

    def leave(self) -> None:
        """Close the tab, whatever it is waiting for, and open another one."""
        self.call("Target.closeTarget", targetId=self.target)
        self._attach()

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value."""
        end = time.monotonic() + PATIENCE
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} stays {value!r} on:\n{self.text()}"
            time.sleep(0.05)
        return value

    def text(self) -> str:
        """What the page shows: its words, and what its visible fields hold."""
        return str(self.evaluate(TEXT))

    def upload(self, path: Path, selector: str = "input[type=file]") -> None:
        """Put a file into a field for files."""
        self.wait(f"!!document.querySelector({selector!r})")
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def click(self, expression: str) -> None:
        """Click an element that an expression gives, as a user does."""
        self.wait(f"!!({expression})")
        self.evaluate(f"({expression}).click()")

    def type(self, selector: str, words: str) -> None:
        """Write words into a field, and press Enter."""
        self.wait(f"!!document.querySelector({selector!r})")
        self.evaluate(f"document.querySelector({selector!r}).focus()")
        self.call("Input.insertText", text=words)
        for kind in ("rawKeyDown", "char", "keyUp"):
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            self.call("Input.dispatchKeyEvent", type=kind, **key)

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG file."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))


TEXT = """[document.body.innerText,
    ...[...document.querySelectorAll("textarea, input")].filter(one => one.offsetParent).map(one => one.value)
].join("\\n")"""
