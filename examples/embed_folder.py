"""Embed a folder of files into a store, then ask it for the files nearest to a sentence.

    python embed_folder.py FOLDER --out store [--space clip:ViT-B-32-quickgelu/openai] [--modality image] [--find "a red
    circle"]

Bad files are left out and named in the store's errors. The same command again goes on where it was stopped, and adds
nothing to a store that is complete.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import c3core
from c3core.data import expand
from c3core.embedding import embed
from c3core.runtime import exit_cleanly


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="with the files, in folders below it too")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--space", default="playground")
    parser.add_argument("--modality", default="image")
    parser.add_argument("--workers", type=int, default=1, help="processes that read")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--find", help="a sentence; the five nearest files are shown")
    words = parser.parse_args()

    space = c3core.load_space(words.space, precision=words.precision)
    store = embed(space.encoder(words.modality), expand([words.folder]), words.out, workers=words.workers)
    print(f"{len(store)} embeddings of {words.space} in {words.out}")
    for bad in store.errors():
        print(f"left out: {bad}")
    if words.find:
        (asked,) = space.encode([words.find], "text")
        files, cosines = [], []
        for batch in store.batches():
            files += batch.sources
            cosines.append(batch.embeddings @ asked)
        best = torch.cat(cosines).topk(min(5, len(store)))
        for cosine, at in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            print(f"{cosine:.3f}  {files[at]}")


if __name__ == "__main__":
    with exit_cleanly():
        main()
