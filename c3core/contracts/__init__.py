"""The contracts: what a plugin author implements.

    source ──Reader──▶ item ──Encoder──▶ embedding ──Bridge──▶ condition ──Decoder──▶ output

A `Space` holds the encoders whose embeddings may be compared, one per modality. The core knows no modality by name.
"""

from __future__ import annotations

from c3core.contracts.bridge import Bridge
from c3core.contracts.decoder import Decoder, GenerateOptions, Objective
from c3core.contracts.encoder import Encoded, Encoder, Space
from c3core.contracts.reader import BadItem, BadItems, Reader, name_of

__all__ = [
    "BadItem", "BadItems", "Bridge", "Decoder", "Encoded", "Encoder", "GenerateOptions", "Objective", "Reader", "Space", "name_of",
]  # fmt: skip
