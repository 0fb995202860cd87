"""Data sets of a few items in the formats of their authors, with real small pictures, sounds and videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from c3_playground.world import World
from c3_playground.world.media.export import write_gif, write_wav

COCO = (  # split, folder, name and captions, as Karpathy's file has them: two files of one name, and one without words
    ("train", "train2014", "one.png", ["A red cat.", " Ein Kätzchen läuft. \n"]),
    ("restval", "val2014", "one.png", ["Another one."]),
    ("val", "val2014", "two.png", ["Two."]),
    ("test", "val2014", "3 & ñ.png", ["Trois chevaux", "三匹の馬", "three"]),
    ("test", "val2014", "four.png", []),
    ("test", "val2014", "five.png", ["five", "  "]),
)


def write_pictures(*paths: Path) -> None:
    """Write pictures of the playground, each another one."""
    for path, item in zip(paths, World().items("image", "test", len(paths)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(item.data).save(path, format="PNG")


def write_sounds(*paths: Path) -> None:
    for path, item in zip(paths, World().items("audio", "test", len(paths)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(item.data, path)


def write_videos(*paths: Path) -> None:
    for path, item in zip(paths, World().items("video", "test", len(paths)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_gif(item.data, path)


def write_karpathy(folder: Path, *, nested: bool = True) -> Path:
    """`dataset_coco.json` and its pictures in `photos`; without `nested`, as of Flickr8k, which has no `filepath`."""
    images = [
        {
            "filename": name if nested else f"{number}-{name}",
            **({"filepath": own} if nested else {}),
            "imgid": number,
            "split": split,
            "sentids": [number * 5 + k for k in range(len(captions))],
            "sentences": [
                {"raw": raw, "tokens": raw.lower().split(), "imgid": number, "sentid": number * 5 + k}
                for k, raw in enumerate(captions)
            ],
        }
        for number, (split, own, name, captions) in enumerate(COCO)
    ]
    path = folder / "dataset_coco.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "dataset": "coco"}), encoding="utf-8")
    write_pictures(*(folder / "photos" / str(image.get("filepath", "")) / str(image["filename"]) for image in images))
    return path


def write_coco(folder: Path, **changed: Any) -> Path:
    """`captions_val2017.json` and its pictures in `val2017`. `changed` replaces fields of the file."""
    names = {391895: "000000391895.png", 7: "ñandú.png", 9: "no caption.png"}
    captions = [(391895, "A man."), (7, "Un ñandú."), (391895, "A bike.")]
    value = {
        "info": {"year": 2017},
        "licenses": [],
        "images": [{"id": key, "file_name": name, "width": 64} for key, name in names.items()],
        "annotations": [
            {"image_id": key, "id": number, "caption": text} for number, (key, text) in enumerate(captions)
        ],
        **changed,
    }
    path = folder / "captions_val2017.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    write_pictures(*(folder / "val2017" / name for name in names.values()))
    return path


def write_csv(path: Path, *rows: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)
    return path


def write_clotho(folder: Path) -> Path:
    """A folder of Clotho with two splits; the sounds of `development` are not there."""
    header = ["file_name", *(f"caption_{k}" for k in range(1, 6))]
    names = ("Rain, on a roof.wav", "Möwen.wav", "silent.wav")
    rows = [[name, *(f"{name} {k}, heard" for k in range(1, 6))] for name in names[:2]]
    write_csv(folder / "clotho_captions_evaluation.csv", header, *rows, [names[2], *[""] * 5])
    write_csv(folder / "clotho_captions_development.csv", header, *rows)
    write_sounds(*(folder / "evaluation" / name for name in names))
    return folder


def write_msrvtt(folder: Path, **changed: Any) -> Path:
    """`MSRVTT_data.json` and its videos in `clips`."""
    videos = [("video0", "train"), ("video1", "validate"), ("video2", "test"), ("video3", "test"), ("video4", "test")]
    sentences = [("video2", "a man sings"), ("video0", "a train"), ("video2", "歌う"), ("video3", "a dog ")]
    value = {
        "info": {"year": "2016"},
        "videos": [{"video_id": key, "split": split, "category": 9, "start time": 1.5} for key, split in videos],
        "sentences": [
            {"video_id": key, "caption": text, "sen_id": number} for number, (key, text) in enumerate(sentences)
        ],
        **changed,
    }
    path = folder / "MSRVTT_data.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
