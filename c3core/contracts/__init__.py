"""The contracts: what a plugin author implements.

    source ──Reader──▶ item ──Encoder──▶ embedding ──Bridge──▶ condition ──Decoder──▶ output

A `Space` holds the encoders whose embeddings may be compared, one per modality. The core knows no modality by name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
