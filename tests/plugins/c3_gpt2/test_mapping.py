from __future__ import annotations

import numpy as np
import pytest
import torch

from c3_gpt2.mapping import TransformerMapping, build_mapping


@pytest.mark.parametrize("kind", ["linear", "mlp", "transformer"])
def test_a_condition_becomes_a_prefix_and_rows_do_not_mix(kind: str) -> None:
    torch.manual_seed(0)
    mapping = build_mapping(kind, 6, 16, 3, layers=2).eval()
    conditions = torch.randn(5, 6)
    prefix = mapping(conditions)
    assert prefix.shape == (5, 3, 16)
    alone = torch.cat([mapping(row[None]) for row in conditions])
    torch.testing.assert_close(prefix, alone, rtol=1e-5, atol=1e-5)
    assert (prefix[0] - prefix[1]).abs().max() > 1e-3


def test_mlp_has_the_papers_sizes() -> None:
    """512 -> 3840 -> 7680 for GPT-2 with ten tokens."""
    sizes = [tuple(value.shape) for value in build_mapping("mlp", 512, 768, 10).state_dict().values()]
    assert sizes == [(3840, 512), (3840,), (7680, 3840), (7680,)]


def test_mlp_is_tanh_between_two_linear_maps() -> None:
    mapping = build_mapping("mlp", 4, 6, 2)
    conditions = torch.randn(3, 4)
    first, first_bias, second, second_bias = (v.double().numpy() for v in mapping.state_dict().values())
    hidden = np.tanh(conditions.double().numpy() @ first.T + first_bias)
    expected = (hidden @ second.T + second_bias).reshape(3, 2, 6)
    np.testing.assert_allclose(mapping(conditions).detach().numpy(), expected, atol=1e-6)


def test_linear_is_affine() -> None:
    mapping = build_mapping("linear", 4, 6, 2)
    a, b = torch.randn(2, 1, 4)
    torch.testing.assert_close(mapping((a + b) / 2), (mapping(a) + mapping(b)) / 2, rtol=1e-5, atol=1e-5)


def test_transformer_layers_start_apart_and_constants_matter() -> None:
    mapping = TransformerMapping(4, 16, 3, layers=2)
    first, second = (layer.linear1.weight for layer in mapping.layers)
    assert not torch.equal(first, second)
    conditions = torch.randn(2, 4)
    before = mapping(conditions)
    before.sum().backward()
    assert mapping.constants.grad is not None
    assert mapping.constants.grad.abs().min() > 0
    assert mapping.project[0].weight.grad is not None
    assert mapping.project[0].weight.grad.abs().max() > 0


def test_the_prefix_is_what_comes_out_at_the_constants() -> None:
    mapping = TransformerMapping(4, 16, 3, layers=0)
    torch.testing.assert_close(mapping(torch.randn(2, 4)), mapping.constants.expand(2, -1, -1))


def test_transformer_takes_a_width_that_eight_heads_do_not_divide() -> None:
    assert build_mapping("transformer", 4, 9, 2, layers=1)(torch.zeros(1, 4)).shape == (1, 2, 9)
