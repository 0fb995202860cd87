"""The two examples that embed and compare, on small data, with a tiny CLIP beside the playground's space."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from c3_playground.world import World

ROOT = Path(__file__).parents[3]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("name", ["playground", "clip:{folder}/tiny.json/random"])
def test_a_folder_is_embedded_and_searched(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "below").mkdir()
    for at, item in enumerate(World().items("image", "test", 6)):
        Image.fromarray(item.data).save(tmp_path / "below" / f"{at}.png")
    (tmp_path / "broken.png").write_text("no picture")
    words = [ROOT / "examples/embed_folder.py", tmp_path, "--out", tmp_path.parent / f"{tmp_path.name}-store"]
    done = run(*words, "--space", name.format(folder=folder), "--find", "a red circle", "--workers", "0")
    assert done.returncode == 0, done.stderr
    first, bad, *nearest = done.stdout.splitlines()
    assert first.startswith("6 embeddings of ")
    assert bad.startswith(f"left out: {tmp_path}/broken.png: ")
    assert len(nearest) == 5
    cosines = [float(line.split()[0]) for line in nearest]
    assert cosines == sorted(cosines, reverse=True)
    assert all(Path(line.split("  ")[1]).is_file() for line in nearest)


def test_two_spaces_are_compared_on_the_same_pairs(folder: Path) -> None:
    names = ["playground", f"clip:{folder}/tiny.json/random"]
    done = run(
        ROOT / "examples/compare_geometry.py", *names, "--pairs", "playground:image/test/60/1", "--group-size", "20"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("60 pairs, 3 groups of 20")
    lines = {line.split("  ")[0].strip(): line for line in done.stdout.splitlines()}
    for figure in ("length of the gap", "cosine of a pair", "standard deviation of the noise, per dimension"):
        assert len([word for word in lines[figure].split() if word[-1].isdigit()]) >= 2
    assert "of 256" in lines["effective dimension of image, text and noise"]
    assert "of 32" in lines["effective dimension of image, text and noise"]


def test_the_benchmark_runs_and_both_sides_agree() -> None:
    done = run(
        ROOT / "benchmarks/clip_embed.py", "--photos", "6", "--model", "ViT-S-32-alt", "--workers", "0", "--runs", "1"
    )
    assert done.returncode == 0, done.stderr
    assert '"ratio": ' in done.stdout
    assert float(done.stdout.split('"largest_difference": ')[1].rstrip("}\n")) < 1e-5
