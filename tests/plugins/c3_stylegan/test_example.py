"""The example for one's own pictures runs as it stands, on a few pictures and steps; then `c3 run` draws."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from c3_playground.world import World

EXAMPLE = Path(__file__).parents[3] / "examples" / "paint_own_pictures"


def run(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("words", "message"), [(("--steps", "0"), "steps"), ((), "does not exist")])
def test_bad_words_get_one_clear_error(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    command = [
        sys.executable,
        EXAMPLE / "paint_own_pictures.py",
        tmp_path / "none",
        tmp_path / "none.txt",
        *words,
        "--out",
        tmp_path / "out",
    ]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("decoder", "option"), [("stylegan", "truncation=0.5"), ("diffusion", "steps=2")])
def test_paint_own_pictures(tmp_path: Path, decoder: str, option: str) -> None:
    if decoder == "diffusion":
        pytest.importorskip("diffusers", reason="needs the extra diffusion")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, item in enumerate(World().items("image", "train", 10)):
        Image.fromarray(item.data).resize((60, 48)).save(pictures / f"{number}.jpg")
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "sentences.txt").write_text("\n".join(World().sentences(20, modality="image")))
    folder = tmp_path / "example"
    folder.mkdir()
    for name in ("paint_own_pictures.py", f"{decoder}.yaml"):
        text = (EXAMPLE / name).read_text()
        for field, value in {"channels": 256, "batch_size": 4, "warmup_steps": 1}.items():
            text = re.sub(rf"{field}: \d+", f"{field}: {value}", text)
        (folder / name).write_text(text)
    out = tmp_path / "painter"
    words = [pictures, tmp_path / "sentences.txt", "--decoder", decoder, "--steps", 3, "--out", out]
    told = run(folder / "paint_own_pictures.py", *words)
    assert f"c3 run {out}" in told
    sentences = ["a red circle above a blue star", "a green heart"]
    main = "from c3core.cli import main; main()"
    run("-c", main, "run", out, *sentences, "-m", "text", "--out", tmp_path / "drawn", "-o", option, "--seed", 3)
    files = sorted((tmp_path / "drawn").glob("0*"))
    assert [path.name for path in files] == ["000000.png", "000001.png"]
    drawn = [np.asarray(Image.open(path)) for path in files]
    assert drawn[0].shape == (32, 32, 3)
    assert not np.array_equal(*drawn)
