"""Embed a folder of files into a store, then find the files nearest to a sentence.

    python embed_folder.py FOLDER --out store --find "a red circle"
    python embed_folder.py FOLDER --out store --space clip:ViT-B-32-quickgelu/openai

Files that cannot be read are left out and listed. Run the same command again to resume.
"""

from __future__ import annotations

import argparse
from heapq import nlargest
from pathlib import Path
from typing import Any

import c3core
from c3core.embedding import embed
from c3core.runtime import exit_cleanly


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder of the files, searched with its subfolders")
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    parser.add_argument("--space", default="playground")
    parser.add_argument("--modality", default="image")
    parser.add_argument("--workers", type=int, default=1, help="processes that read files")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--find", help="a sentence, to print the five nearest files")
    words = parser.parse_args()

    space = c3core.load_space(words.space, precision=words.precision)
    items: Any = c3core.load_items(words.folder, words.modality)
    store = embed(space.encoder(words.modality), items, words.out, workers=words.workers)
    print(f"{len(store)} embeddings of {words.space} in {words.out}")
    for bad in store.errors():
        print(f"left out: {bad}")
    if words.find:
        (sentence,) = space.encode([words.find], "text")
        found = (
            (cosine, file)
            for batch in store.batches()
            for cosine, file in zip((batch.embeddings @ sentence).tolist(), batch.sources, strict=True)
        )
        for cosine, file in nlargest(5, found):
            print(f"{cosine:.3f}  {file}")


if __name__ == "__main__":
    with exit_cleanly():
        main()
