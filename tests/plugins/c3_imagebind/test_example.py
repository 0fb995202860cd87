"""The example runs as it stands, and with files."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if find_spec("imagebind") is None:
    pytest.skip("needs the extra imagebind", allow_module_level=True)
pytest.importorskip("librosa", reason="needs the extra audio")
pytest.importorskip("av", reason="needs the extra video")

EXAMPLE = Path(__file__).parents[3] / "examples" / "caption_with_imagebind.py"


def run(*words: object) -> list[str]:
    command = [sys.executable, EXAMPLE, *words]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_videos_that_it_makes_itself():
    lines = run("--modality", "video", "--steps", 3)
    assert [line.split(":")[0] for line in lines[:3]] == ["synthetic"] * 3
    assert lines[3].startswith("The model is random")


def test_sounds_from_files_into_a_pipeline_that_loads(tmp_path):
    import soundfile

    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 9000), 16000)
    (tmp_path / "sentences.txt").write_text("rain falls\na dog barks\na bell rings\nwind blows\n")
    sounds = [tmp_path / f"{number}.wav" for number in range(4)]
    saved = tmp_path / "captioner"
    words = [
        "--sentences",
        tmp_path / "sentences.txt",
        "--unlabelled",
        *sounds,
        "--inputs",
        sounds[0],
        "--steps",
        3,
        "--save",
        saved,
    ]
    lines = run(*words)
    assert lines[0].startswith(f"{sounds[0]}: ")
    import c3core

    pipeline = c3core.load_pipeline(saved)
    assert pipeline.space.spec == "imagebind:tiny/random"
    assert pipeline.run([str(sounds[0])], modality="audio") == [lines[0].removeprefix(f"{sounds[0]}: ")]
