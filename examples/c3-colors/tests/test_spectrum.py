from pathlib import Path

from c3core import load_tower
from c3core.testing import TowerContract

RECORDINGS = Path(__file__).parents[1] / "recordings"


class TestSpectrum(TowerContract):
    def make(self):
        return load_tower("spectrum", width=32)

    def sources(self):
        return [RECORDINGS / "train-0.csv", RECORDINGS / "train-1.npy", RECORDINGS / "train-3.npy"]

    def bad_source(self):
        return RECORDINGS / "no-such-file.npy"
