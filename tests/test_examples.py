"""The examples run as they stand, on small data."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from c3_playground.world import World

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.skipif(find_spec("efficientnet_lite_pytorch") is None, reason='needs the extra "photos"')
def test_photo_captioning(tmp_path: Path) -> None:
    """With the real pretrained towers, on a few made pictures and a short training."""
    for split, n in (("train", 12), ("validation", 6)):
        with open(tmp_path / f"{split}.csv", "w", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(["image", "caption"])
            for number, item in enumerate(World().items("image", split, n)):
                Image.fromarray(item.data).resize((96, 96)).save(tmp_path / f"{split}-{number}.png")
                rows.writerows([f"{split}-{number}.png", sentence] for sentence in item.sentences)
    (tmp_path / "more.txt").write_text("\n".join(World().sentences(50)))
    folder = tmp_path / "example"
    folder.mkdir()
    for name in ("caption_photos.py", "connect.yaml", "fit.yaml"):
        text = (EXAMPLES / "photo_captioning" / name).read_text()
        for field, value in {"steps": 3, "warmup_steps": 1, "vocabulary": 300, "width": 32}.items():
            text = re.sub(rf"{field}: \d+", f"{field}: {value}", text)
        (folder / name).write_text(text)
    words = [tmp_path / "train.csv", tmp_path / "validation.csv", "--sentences", tmp_path / "more.txt"]
    command = [sys.executable, folder / "caption_photos.py", *words, "--bridges", "c1,c3", "--out", tmp_path / "out"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["bridge"] for row in result["rows"]] == ["c1", "c3"]
    photo = tmp_path / "train-0.png"
    command = [
        sys.executable,
        "-c",
        "from c3core.cli import main; main()",
        "run",
        tmp_path / "out/c3-0",
        photo,
        "-m",
        "image",
    ]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1  # after three steps the caption itself may well be empty
