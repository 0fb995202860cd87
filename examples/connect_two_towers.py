"""Connect two towers of one's own into a space: colors and their names."""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import torch
from PIL.ImageColor import colormap, getrgb

import c3core
from c3core.registry import register
from c3core.spaces import ConnectRecipe, connect


class Color(c3core.Reader):
    takes_text = True  # a source is the item itself, not the name of a file

    def read(self, source: str) -> torch.Tensor:
        return torch.tensor(getrgb(source)) / 255


class Name(c3core.Reader):
    takes_text = True

    def read(self, source: str) -> torch.Tensor:  # which runs of three letters it has, in 512 places
        runs = [crc32(source[at : at + 3].encode()) % 512 for at in range(len(source) - 2)]
        return torch.zeros(512).index_fill(0, torch.tensor(runs), 1)


class Plain(c3core.Tower):  # its features are the items: only the projection heads learn
    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality, self.width = modality, {"color": 3, "name": 512}[modality]

    def reader(self) -> c3core.Reader:
        return {"color": Color, "name": Name}[self.modality]()

    def collate(self, items: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack(list(items))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch

    def config(self) -> dict[str, str]:
        return {"modality": self.modality}


Path("colors.csv").write_text("name,color\n" + "".join(f"{name},{color}\n" for name, color in colormap.items()))
register("tower", "plain", Plain)
towers = {modality: {"tower": "plain", "modality": modality} for modality in ("color", "name")}
training = {"steps": 300, "batch_size": 64, "learning_rate": 0.003}
recipe = ConnectRecipe(name="colors", dim=32, towers=towers, pairs=[{"train": "colors.csv"}], training=training)
connect(recipe, "colors", quiet=True)

space, names = c3core.load_space("colors"), list(colormap)
for color, word in (("#101060", "blue"), ("#10f040", "green"), ("#ffff00", "yellow")):
    likeness = space.encode(names, "name") @ space.encode([color], "color")[0]
    print(f"{color}: is {word!r} in the five nearest names?", any(word in names[at] for at in likeness.topk(5).indices))

# It prints:
# #101060: is 'blue' in the five nearest names? True
# #10f040: is 'green' in the five nearest names? True
# #ffff00: is 'yellow' in the five nearest names? True
