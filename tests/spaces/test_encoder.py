"""Encoders made of a tower do not train, and let gradients through to what a decoder made."""

from __future__ import annotations

import torch

from c3core.io import short_hash
from c3core.spaces.encoder import ConnectedEncoder
from c3core.spaces.features import FeatureEncoder
from c3core.spaces.head import Head
from tests.helpers.towers import VectorTower, vectors


def connected(**options: object) -> ConnectedEncoder:
    torch.manual_seed(0)
    tower, head = VectorTower(dropout=0.5), Head(4, 2, hidden=6, dropout=0.5)
    return ConnectedEncoder("space", "vector", tower.train(), head.train(), dim=2, fingerprint="f", **options)


def test_a_connected_encoder_maps_by_tower_and_head_without_dropout_or_training() -> None:
    encoder = connected()
    items = [encoder.reader()(source) for source in vectors(5)]
    first, again = encoder.embed(items), encoder.embed(items)
    assert torch.equal(first, again)
    assert torch.equal(first, encoder.head(encoder.tower(torch.stack(items))))
    assert not first.requires_grad
    assert (encoder.space, encoder.modality, encoder.dim, encoder.fingerprint) == ("space", "vector", 2, "f")
    assert encoder.license == encoder.tower.license


def test_raw_tensors_get_a_gradient() -> None:
    encoder = connected()
    raw = torch.rand(4, 3, 5, 6, requires_grad=True)
    embeddings = encoder.embed_raw(raw)
    assert torch.equal(embeddings.detach(), encoder.embed(list(raw.detach().mean(dim=(2, 3)))))
    (gradient,) = torch.autograd.grad(embeddings.sum(), raw)
    assert gradient.abs().sum() > 0


def test_features_are_those_of_the_tower_without_dropout() -> None:
    tower = VectorTower(dropout=0.5).train()
    encoder = FeatureEncoder(tower)
    items = [encoder.reader()(source) for source in vectors(5)]
    assert torch.equal(encoder.embed(items), encoder.embed(items))
    assert torch.equal(encoder.embed(items), tower.net[0](torch.stack(items)))
    assert (encoder.modality, encoder.dim) == ("vector", 4)
    assert encoder.fingerprint == short_hash(tower.identity())
    assert FeatureEncoder(VectorTower(dropout=0.4)).fingerprint != encoder.fingerprint
