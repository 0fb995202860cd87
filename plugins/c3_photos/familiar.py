"""Make `weights/space/familiar.safetensors`, by which the space tells images that are unlike Flickr8k's photos.

    c3 embed photos image train.csv:image --root images --out photos
    python -m c3_photos.familiar photos

Sentences are left out: those about all kinds of things lie in so many directions that others do not stand out.
"""

from __future__ import annotations

import sys

from c3_photos.shipped import WEIGHTS
from c3core import Store
from c3core.io import read_json, sha256, write_json, write_tensors
from c3core.statistics import Familiarity, familiarity_states

if __name__ == "__main__":
    known = Familiarity.of(Store.open(sys.argv[1]))
    assert known is not None
    path, manifest = WEIGHTS / "space" / "familiar.safetensors", WEIGHTS / "space" / "space.json"
    write_tensors(path, familiarity_states({"image": known}))
    write_json(manifest, {**read_json(manifest), "familiar": sha256(path)})
