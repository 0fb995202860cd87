"""The noise of each corrupt by its mean, spread and shape, over many draws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges import C3Bridge
from c3core.bridges.corrupt import Corrupt, Covariance, Gaussian, Lafite, Span
from c3core.errors import C3Error, WrongCall

DIM, COUNT = 6, 40_000


def random_data(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.1, 0.0])
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    text = (torch.randn(4000, DIM, generator=generator) * spread) @ turn
    image, audio = text[:1000] + torch.linspace(-2, 2, DIM), text[:900] + torch.arange(DIM) % 2
    return {"text": text, "image": image, "audio": audio}


def noise(corrupt: Corrupt, data: dict[str, Tensor], e: Tensor | None = None, seed: int = 3) -> Tensor:
    """Return the noise (COUNT, DIM): training conditions minus embeddings."""
    bridge = C3Bridge("none", corrupt, "none").fit(data, target="text")
    e = torch.zeros(COUNT, DIM) if e is None else e
    return (bridge.train_condition(e, "text", generator=torch.Generator().manual_seed(seed)) - e).double()


def test_gaussian_noise_has_mean_zero_and_the_given_spread_in_every_direction() -> None:
    drawn = noise(Gaussian(0.3), random_data())
    # five standard errors: 0.3/√40000 for a mean, √2 · 0.09/√40000 for a variance
    assert drawn.mean(0).abs().max() < 5 * 0.3 / COUNT**0.5
    covariance = drawn.T @ drawn / COUNT
    assert (covariance - 0.09 * torch.eye(DIM)).abs().max() < 5 * 2**0.5 * 0.09 / COUNT**0.5
    kurtosis = (drawn**4).mean() / (drawn**2).mean() ** 2
    assert kurtosis == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("others", [("image",), ("image", "audio")])
def test_span_noise_has_no_component_along_the_gaps_and_is_gaussian_across(others: tuple[str, ...]) -> None:
    data = {name: rows for name, rows in random_data().items() if name in ("text", *others)}
    drawn = noise(Span(0.3), data)
    gaps = torch.stack([data[other].double().mean(0) - data["text"].double().mean(0) for other in others])
    assert (drawn @ normalize(gaps, dim=-1).T).abs().max() < 1e-5
    across = torch.eye(DIM, dtype=torch.float64) - torch.linalg.pinv(gaps) @ gaps
    assert (drawn.T @ drawn / COUNT - 0.09 * across).abs().max() < 5 * 2**0.5 * 0.09 / COUNT**0.5


def test_span_noise_needs_another_modality_and_uses_one_added_later() -> None:
    data = random_data()
    bridge = C3Bridge("none", Span(0.3), "none").fit({"text": data["text"]})
    with pytest.raises(WrongCall):
        bridge.train_condition(torch.zeros(1, DIM), "text")
    bridge.extend({"image": data["image"]})
    drawn = bridge.train_condition(torch.zeros(100, DIM), "text", generator=torch.Generator().manual_seed(0)).double()
    gap = data["image"].double().mean(0) - data["text"].double().mean(0)
    assert (drawn @ gap).abs().max() < 1e-5 * gap.norm()
    bridge.extend({"audio": data["audio"]})  # what was worked out from the first two must be forgotten
    drawn = bridge.train_condition(torch.zeros(100, DIM), "text", generator=torch.Generator().manual_seed(0)).double()
    gap = data["audio"].double().mean(0) - data["text"].double().mean(0)
    assert (drawn @ gap).abs().max() < 1e-5 * gap.norm()


def test_span_noise_removes_parallel_gaps_once() -> None:
    text = random_data()["text"]
    data = {"text": text, "image": text + torch.arange(DIM), "audio": text + 3.0 * torch.arange(DIM)}
    drawn = noise(Span(0.3), data)
    assert torch.linalg.matrix_rank(drawn.T @ drawn / COUNT, rtol=1e-3) == DIM - 1


def test_span_noise_without_a_gap_is_gaussian() -> None:
    text = random_data()["text"]
    same = {"text": text, "image": text.clone()}
    torch.testing.assert_close(noise(Span(0.3), same), noise(Gaussian(0.3), same))


def test_covariance_noise_has_the_target_s_shape_and_the_given_mean_variance() -> None:
    data = random_data()
    drawn = noise(Covariance(0.3), data)
    shape = torch.cov(data["text"].double().T, correction=0)
    expected = shape * 0.09 * DIM / shape.trace()
    covariance = drawn.T @ drawn / COUNT
    assert (covariance - expected).abs().max() < 5 * 2**0.5 * expected.diagonal().max() / COUNT**0.5
    assert drawn.var(0).mean().sqrt() == pytest.approx(0.3, rel=0.02)
    null = torch.linalg.eigh(shape).eigenvectors[:, 0]  # the data have no variance there
    assert (drawn @ null).abs().max() < 1e-3


def test_covariance_noise_refuses_a_target_that_never_varies() -> None:
    bridge = C3Bridge("none", "covariance", "none").fit({"text": torch.ones(5, 3)})
    with pytest.raises(C3Error, match="all equal"):
        bridge.train_condition(torch.ones(1, 3), "text")


def test_lafite_mixes_with_a_random_direction() -> None:
    e = normalize(torch.ones(COUNT, DIM), dim=-1)
    bridge = C3Bridge("none", Lafite(0.75), "none").fit({"text": e[:2]})
    mixed = bridge.train_condition(e, "text", generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(mixed.norm(dim=-1), torch.ones(COUNT, dtype=torch.float64), rtol=0, atol=1e-6)
    # Undo the mix: mixed = (0.25 e + 0.75 u)/s with ‖u‖ = 1 gives s from a quadratic; u must be uniform on the sphere.
    c = (mixed * e).sum(-1)
    scale = 0.25 * c + (0.75**2 - 0.25**2 * (1 - c**2)).sqrt()
    direction = (scale.unsqueeze(1) * mixed - 0.25 * e) / 0.75
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones(COUNT, dtype=torch.float64), rtol=0, atol=1e-5)
    assert direction.mean(0).abs().max() < 5 * (1 / DIM / COUNT) ** 0.5
    assert (direction.T @ direction / COUNT - torch.eye(DIM) / DIM).abs().max() < 0.01


def test_lafite_mixes_the_same_whatever_the_length() -> None:
    bridge = C3Bridge("none", Lafite(0.5), "none")
    e = torch.tensor([[0.6, 0.8]])
    long, short = (
        bridge.train_condition(k * e, "text", generator=torch.Generator().manual_seed(4)) for k in (1.0, 0.01)
    )
    torch.testing.assert_close(long, short)


@pytest.mark.parametrize("corrupt", [Gaussian(0.3), Span(0.3), Covariance(0.3), Lafite(0.5)], ids=lambda p: p.kind)
def test_the_noise_of_a_seed_does_not_depend_on_the_dtype(corrupt: Corrupt) -> None:
    bridge = C3Bridge("none", corrupt, "none").fit(random_data(), target="text")
    e = torch.randn(50, DIM, generator=torch.Generator().manual_seed(1))
    drawn = {
        dtype: bridge.train_condition(e.to(dtype), "text", generator=torch.Generator().manual_seed(5)).double()
        for dtype in (torch.float32, torch.float64)
    }
    torch.testing.assert_close(drawn[torch.float32], drawn[torch.float64], rtol=1e-5, atol=1e-5)
    other = bridge.train_condition(e, "text", generator=torch.Generator().manual_seed(6))
    assert not torch.allclose(other.double(), drawn[torch.float32])


def test_noise_lets_gradients_through_to_the_embeddings() -> None:
    e = normalize(torch.ones(3, DIM), dim=-1).requires_grad_()
    bridge = C3Bridge().fit({"text": random_data()["text"]})
    bridge.train_condition(e, "text", generator=torch.Generator().manual_seed(0)).square().sum(0)[0].backward()
    assert e.grad is not None
    assert torch.isfinite(e.grad).all()
    assert e.grad.abs().sum() > 0
