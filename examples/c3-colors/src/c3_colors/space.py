import re

import torch

from c3core import C3Error, Encoder, Reader, Space

NAMES = {
    "red": "#ff0000", "orange": "#ffa500", "yellow": "#ffff00", "green": "#008000", "cyan": "#00ffff", "blue": "#0000ff",
    "purple": "#800080", "pink": "#ffc0cb", "brown": "#8b4513", "black": "#000000", "grey": "#808080", "white": "#ffffff",
}  # fmt: skip


class ColorReader(Reader):
    takes_text = True  # a string is the item itself, not the name of a file

    def read(self, source):
        """Red, green and blue, from −1 to 1."""
        if not re.fullmatch("#[0-9a-fA-F]{6}", source):
            raise C3Error("a color is written like #ff8800")
        return torch.tensor(list(bytes.fromhex(source[1:]))) / 127.5 - 1


class NameReader(ColorReader):
    def read(self, source):
        if source not in NAMES:
            raise C3Error(f"the known names are {', '.join(NAMES)}")
        return super().read(NAMES[source])


class ColorEncoder(Encoder):
    space, dim, license = "colors", 5, "MIT"

    def __init__(self, modality, reader, gap):
        self.modality, self.gap = modality, torch.tensor(gap)
        self.fingerprint = f"colors-1-{modality}"  # change it when the embeddings change
        self._reader = reader

    def reader(self):
        return self._reader

    def embed(self, items):
        """Embeddings (n, 5): the color, and two numbers that differ between the modalities, as the gap of a real space."""
        return torch.cat([torch.stack(items), self.gap.expand(len(items), 2)], dim=1)


def load(argument, *, device, precision):
    """`argument` follows the colon of "colors:…". A real encoder puts its model on `device`."""
    if argument:
        raise C3Error(f"the space colors takes no argument, got {argument!r}. Write colors.")
    return Space(
        "colors",
        ColorEncoder.dim,
        {
            "color": lambda: ColorEncoder("color", ColorReader(), [1.0, 0.0]),
            "text": lambda: ColorEncoder("text", NameReader(), [0.0, 1.0]),
        },
    )
