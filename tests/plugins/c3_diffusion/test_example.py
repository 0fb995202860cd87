"""The example runs as it stands, without a hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parents[3] / "examples" / "unclip_through_bridge.py"


def test_unclip_through_a_bridge(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "a red circle", "a blue star", " ", "--out", str(tmp_path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "a blue star" in done.stdout
    assert "left out:" in done.stderr  # the empty sentence
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in ("000.png", "001.png"))
    assert first.shape == (16, 16, 3)
    assert not np.array_equal(first, second)
    command = [
        sys.executable,
        "-c",
        "from c3core.cli import main; main()",
        "run",
        str(tmp_path / "pipeline"),
        "a red circle",
    ]
    command += ["--modality", "text", "--out", str(tmp_path / "more")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "more").glob("*.png"))) == 1
