import torch
from pydantic import Field
from torch import nn

from c3_colors.space import ColorReader
from c3core import Decoder, DecoderSettings
from c3core.io import write_text


class Settings(DecoderSettings):
    width: int = Field(64, ge=1, description="units of the hidden layer")


class Swatch(Decoder):
    """A color such as #ff8800 of each condition, written as a small picture."""

    name, modality, suffix, license = "swatch", "color", ".svg", "own"
    settings_class = Settings

    def reader(self):
        """Make a training target of a source: here red, green and blue, from -1 to 1."""
        return ColorReader()

    def _build(self, targets):
        """Make the network, when torch is seeded. `targets` is a stream of read targets, to learn a vocabulary from."""
        width = self.settings.width
        self.net = nn.Sequential(nn.Linear(self.condition_dim, width), nn.GELU(), nn.Linear(width, 3), nn.Tanh())

    def collate(self, targets):
        return torch.stack(targets).to(self.device)

    def loss(self, conditions, batch):
        conditions = self.check_conditions(conditions, len(batch))  # refuses another size or number, and NaN
        return (self.net(conditions) - batch).square().mean()

    def _generate(self, conditions, options, generators):
        """Return one output for each of the conditions (n, condition_dim)."""
        levels = ((self.net(conditions) + 1) * 127.5).round().int()
        return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in levels.tolist()]

    def write(self, output, path):
        """`write_text`, like all of `c3core.io`, writes a file whole or not at all."""
        write_text(
            path, f'<svg xmlns="http://www.w3.org/2000/svg"><rect width="64" height="64" fill="{output}"/></svg>'
        )
