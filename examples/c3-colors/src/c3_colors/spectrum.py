import numpy as np
import torch
from torch import nn

from c3core import C3Error, Reader, Tower

LENGTH = 64


class SpectrumReader(Reader):
    takes_tables = True  # a .csv file is a recording, not a table that names some

    def read(self, source):
        """A recording, (64,) float32."""
        values = np.load(source) if str(source).endswith(".npy") else np.loadtxt(source)
        if values.shape != (LENGTH,) or not np.isfinite(values).all():
            raise C3Error(f"a recording has {LENGTH} finite numbers, this one has shape {values.shape}")
        return torch.from_numpy(values).float()


class SpectrumTower(Tower):
    """Recordings (n, 64) to features (n, width)."""

    modality = "spectrum"

    def __init__(self, *, width=64):
        super().__init__()
        self.width = width
        self.net = nn.Sequential(nn.Linear(LENGTH, 128), nn.GELU(), nn.Linear(128, width), nn.GELU())

    def reader(self):
        return SpectrumReader()

    def collate(self, items):
        """One batch for `forward`, on the CPU."""
        return torch.stack(items)

    def augment(self, batch, generator):
        """Optional: change a training batch at random."""
        return batch + 0.05 * torch.randn(batch.shape, generator=generator)

    def forward(self, batch):
        return self.net(batch)

    def config(self):
        """The arguments that build this tower again. The space's folder holds them and the weights."""
        return {"width": self.width}
