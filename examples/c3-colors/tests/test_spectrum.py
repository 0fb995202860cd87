import numpy as np
import pytest

from c3core import load_tower
from c3core.testing import TowerContract


class TestSpectrum(TowerContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def recordings(cls, tmp_path_factory):
        cls.folder = tmp_path_factory.mktemp("recordings")
        a, b, c = np.random.default_rng(0).random((3, 64))
        np.savetxt(cls.folder / "a.csv", a)
        np.save(cls.folder / "b.npy", b)
        np.save(cls.folder / "c.npy", c)

    def make(self):
        return load_tower("spectrum", width=32)

    def sources(self):
        return [self.folder / "a.csv", self.folder / "b.npy", self.folder / "c.npy"]

    def bad_source(self):
        return self.folder / "no-such-file.npy"
