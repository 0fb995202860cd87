"""The commands of `c3 paper` run to their end, on miniatures of the data and small models in the real formats."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

for library, extra in (("transformers", "gpt2"), ("open_clip", "clip"), ("imagebind", "imagebind")):
    if find_spec(library) is None:
        pytest.skip(f"needs the extra {extra}", allow_module_level=True)

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from c3_gpt2.tokens import train_tokenizer  # noqa: E402
from c3_paper.published import items  # noqa: E402
from c3_playground.world import World  # noqa: E402
from tests.helpers.command_line import c3  # noqa: E402
from tests.helpers.lafite import lafite_tensors  # noqa: E402
from tests.helpers.miniatures import write_csv, write_pictures, write_sounds, write_videos  # noqa: E402

EXAMPLE = Path(__file__).parents[3] / "examples" / "paper"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
CLIP: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SMALLER = {  # what is too large for a test
    "clip:ViT-B-32/openai": "clip:tiny.json/random",
    "imagebind:huge": "imagebind:tiny/random",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's folder with the data and the models."""
    folder = tmp_path_factory.mktemp("paper")
    for path in EXAMPLE.glob("*.yaml"):
        shutil.copy(path, folder)
    (folder / "tiny.json").write_text(json.dumps({"model_cfg": CLIP}))
    write_language_model(folder / "tiny-gpt2")
    write_painter(folder / "pre-trained-google-cc-best-fid.pkl")
    write_data(folder)
    return folder


def write_language_model(folder: Path) -> None:
    tokenizer = train_tokenizer(World().sentences(50), 300)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=128, n_embd=16, n_layer=1, n_head=2, bos_token_id=end, eos_token_id=end
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_painter(path: Path) -> None:
    """LAFITE's networks at 32 pixels, for conditions of the small CLIP."""
    networks: dict[str, dict[str, Tensor]] = {}
    for name, tensor in lafite_tensors(condition=CLIP["embed_dim"], widths=(6, 6, 6, 6)).items():
        part, _, own = name.partition(".")
        networks.setdefault(part, {})[own] = tensor
    torch.save(networks, path)


def write_data(folder: Path) -> None:
    """COCO, Clotho and MSR-VTT as the recipes name their files."""
    counts = {"train": 10, "restval": 2, "val": 6, "test": 6}
    splits = [split for split, count in counts.items() for _ in range(count)]
    texts = World().sentences(5 * len(splits))
    captions = [[f"{text}." for text in texts[5 * k : 5 * k + 5]] for k in range(len(splits))]
    images: list[dict[str, Any]] = [
        {
            "filepath": "train2014" if split == "train" else "val2014",
            "filename": f"COCO_{number:012d}.png",
            "split": split,
            "sentences": [{"raw": text} for text in own],
        }
        for number, (split, own) in enumerate(zip(splits, captions, strict=True))
    ]
    coco = folder / "coco"
    write_pictures(*(coco / image["filepath"] / image["filename"] for image in images))
    (coco / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    header = ["file_name", *(f"caption_{k}" for k in range(1, 6))]
    for at, split in enumerate(("development", "validation", "evaluation")):
        rows = [[f"{split} {k}.wav", *captions[4 * at + k]] for k in range(4)]
        write_csv(folder / "clotho" / f"clotho_captions_{split}.csv", header, *rows)
        write_sounds(*(folder / "clotho" / split / str(row[0]) for row in rows))
    names = {f"video{k}": split for k, split in enumerate(["train"] * 4 + ["validate"] * 4 + ["test"] * 4)}
    sentences = [{"video_id": name, "caption": text} for k, name in enumerate(names) for text in captions[k]]
    videos = [{"video_id": name, "split": split} for name, split in names.items()]
    write_videos(*(folder / "msrvtt" / "videos" / f"{name}.gif" for name in names))
    for path in (folder / "msrvtt" / "videos").iterdir():
        path.rename(path.with_suffix(".mp4"))  # the reader goes by what a file holds
    (folder / "msrvtt" / "MSRVTT_data.json").write_text(json.dumps({"videos": videos, "sentences": sentences}))


def words_of(line: str) -> list[str]:
    """The words of a command for the small data: smaller models, fewer seeds, and `--dry-run` where it trains."""
    words = [SMALLER.get(word, word) for word in shlex.split(line)[1:]]
    if words[0] == "ablate":
        recipe = (EXAMPLE / words[1]).read_text(encoding="utf-8")
        words += ["--dry-run", "--seeds", "0", "--quiet"]
        for space, smaller in SMALLER.items():
            words += ["--set", f"space={smaller}"] if f"space: {space}" in recipe else []
        words += ["--set", "decoder.model=tiny-gpt2"] if "model: gpt2" in recipe else []
        words += ["--set", "decoder.width=32"] if "width: 768" in recipe else []
        words += ["--set", "decoder.generation.max_new_tokens=3"] if "guidance" in recipe else []
        words += ["--fractions", "0.5,1"] if "--fractions" in words else []
        words += [] if "name: lafite" in recipe else ["--metric", "bleu1"]
    if words[0] == "evaluate":
        words = [word for word in words if word not in ("--metric", "rouge1", "rouge_l", "meteor")] + [
            "--metric",
            "rouge1",
        ]
    if words[0] == "geometry":
        words += ["--group-size", "2"]
    if words[0] == "theory" and words[1] == "gap":
        words += ["--steps", "10"]
    return words


def run(place: Path, line: str) -> None:
    """Run a command of the paper. What a dry run wrote stands then where the real run would have it."""
    words = words_of(line)
    done = c3(*words)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    if "--dry-run" in words:
        out = place / words[words.index("--out") + 1]
        shutil.copytree(out / "dry-run", out, dirs_exist_ok=True)


COMMANDS = list(dict.fromkeys(line for item in items().values() for line in item["command"].splitlines()))


def test_every_command_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of `c3 paper`: some need what an earlier one wrote."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("C3_INCEPTION", "none.safetensors")  # its weights are not at hand in a test
    for line in COMMANDS:
        run(place, line)
        if "--out" in (words := shlex.split(line)):
            assert (place / words[words.index("--out") + 1]).is_dir(), line
    found = json.loads((place / "runs/table2/results.json").read_text())
    assert [row["bridge"] for row in found["rows"]] == ["c1", "c2_1", "c2_2_span", "c2_2", "c3"]
    assert found["rows"][-1]["paper"]["bleu1"] == 71.0
    assert (place / "runs/table5/fractions.png").is_file()
    assert (place / "figures/captions/index.html").is_file()
    assert (place / "figures/pictures/index.html").is_file()
    painted = json.loads((place / "runs/table3/results.json").read_text())["runs"]
    assert [run["bridge"] for run in painted] == ["c1", "c2_1", "c2_2", "c3", "lafite_g"]
    assert all("fid" in run and "inception_fid" not in run for run in painted)
    assert all("Inception's weights are not at" in run["left_out"]["inception"] for run in painted)


BASELINES = re.findall(r"`(c3 ablate [^`]*)`", README.partition("## Baselines")[2])


@pytest.mark.parametrize("line", BASELINES, ids=lambda line: shlex.split(line)[-1])
def test_the_commands_of_baselines_run(line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    run(place, line)
    rows = json.loads((place / shlex.split(line)[-1] / "results.json").read_text())["rows"]
    assert all("bleu1" in row for row in rows)


def test_the_readme_has_every_command() -> None:
    assert [line for line in COMMANDS if f"`{line}`" not in README] == []
