"""The example and the benchmark of CLIP, on small data."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from c3_playground.world import World
from c3core import load_pipeline

ROOT = Path(__file__).parents[3]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=240, check=False)


def test_clip_and_gpt2_caption_photos(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as it stands, with a tiny CLIP and a fresh GPT-2 in place of those of the hub, and five steps."""
    pytest.importorskip("transformers", reason="needs the extra gpt2")
    example = (ROOT / "examples/clip_and_gpt2.py").read_text()
    for name, small in {
        "clip:ViT-B-32-quickgelu/openai": f"clip:{folder}/tiny.json/random",
        'model="gpt2"': 'model="fresh", layers=1, width=32, heads=2, vocabulary=300',
        '"steps": 5000': '"steps": 5',
    }.items():
        assert name in example
        example = example.replace(name, small)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for at, item in enumerate(World().items("image", "test", 30)):
        Image.fromarray(item.data).save(tmp_path / "photos" / f"{at:02}.png")
    (tmp_path / "captions.txt").write_text("\n".join(World().sentences(40, modality="image")))
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(example, "clip_and_gpt2.py", "exec"), {"__name__": "__main__"})
    lines = said.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"photos/{at:02}.png" for at in range(30)]
    assert "image" in load_pipeline(tmp_path / "captioner").modalities


def test_the_benchmark_runs_and_both_sides_agree() -> None:
    done = run(
        ROOT / "benchmarks/clip_embed.py", "--photos", "6", "--model", "ViT-S-32-alt", "--workers", "0", "--runs", "1"
    )
    assert done.returncode == 0, done.stderr
    assert '"ratio": ' in done.stdout
    assert float(done.stdout.split('"largest_difference": ')[1].rstrip("}\n")) < 1e-5
