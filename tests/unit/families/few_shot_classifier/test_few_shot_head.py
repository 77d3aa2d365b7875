"""The inner loop: NumPy does what torch was trained with, and what a head must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrina.families.few_shot_classifier.adaptation import Adaptation
from vitrina.families.few_shot_classifier.head import Rates, adapt, prototypes

WIDTH = 16


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def episode() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three classes with one, two and five examples, in no order, and queries."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [1, 2, 5]))
    centres = rng.normal(size=(3, WIDTH))
    return unit(0.5 * centres[labels] + rng.normal(size=(8, WIDTH))), labels, unit(rng.normal(size=(20, WIDTH)))


def learned(order: str, steps: int = 4) -> Adaptation:
    torch.manual_seed(1)
    adaptation = Adaptation(WIDTH, order, steps, 0.02)
    with torch.no_grad():
        adaptation.log_scale.fill_(1.5)  # far from saturation: gradients are large
        adaptation.log_factors.add_(torch.rand_like(adaptation.log_factors))
        adaptation.log_bias_factors.add_(torch.rand_like(adaptation.log_bias_factors))
    return adaptation


def rates_of(adaptation: Adaptation) -> Rates:
    return Rates(
        float(adaptation.log_scale.detach().exp()),
        adaptation.rates.detach().numpy(),
        adaptation.bias_rates.detach().numpy(),
    )


@pytest.mark.parametrize("order", ["first", "second", "prototype"])
def test_numpy_adapts_exactly_as_torch_does(order: str, episode: tuple[np.ndarray, ...]) -> None:
    support, labels, queries = episode
    adaptation = learned(order).eval()
    with torch.no_grad():
        adapted, nearest = adaptation(*(torch.from_numpy(each) for each in (support, labels, queries)), 3)
    ours = adapt(support, labels, 3, rates_of(adaptation))
    np.testing.assert_allclose(ours.logits(queries), adapted.numpy(), atol=2e-4)
    plain = adapt(support, labels, 3, rates_of(adaptation).without_steps())
    np.testing.assert_allclose(plain.logits(queries), nearest.numpy(), atol=1e-4)
    assert (order == "prototype") == np.allclose(ours.weight, prototypes(support, labels, 3))


def test_the_inner_loop_lowers_the_loss_on_the_examples(episode: tuple[np.ndarray, ...]) -> None:
    support, labels, _ = episode
    rates = Rates(5.0, np.full((3, WIDTH), 0.1, dtype=np.float32), np.full(3, 0.1, dtype=np.float32))

    def loss(used: Rates) -> float:
        right = adapt(support, labels, 3, used).probabilities(support)[np.arange(8), labels]
        return float(-(np.log(right) / np.bincount(labels)[labels]).sum())

    assert loss(rates) < loss(rates.without_steps()) - 0.01


def gradients(order: str, episode: tuple[np.ndarray, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the queries' loss, for the examples' embeddings and for the inner rates."""
    support, labels, queries = (torch.from_numpy(each) for each in episode)
    support.requires_grad_()
    adaptation = learned(order).train()
    adapted, _ = adaptation(support, labels, queries, 3)
    adapted.square().mean().backward()
    return support.grad, adaptation.log_factors.grad


def test_second_order_differentiates_through_the_inner_steps(episode: tuple[np.ndarray, ...]) -> None:
    exact, exact_rates = gradients("second", episode)
    constant, constant_rates = gradients("first", episode)
    assert torch.allclose(exact_rates[-1], constant_rates[-1], atol=1e-4)  # the last step sees the same gradient
    assert not torch.allclose(exact, constant, atol=1e-2)
    # the true derivative, by finite differences
    support, labels, queries = (
        torch.from_numpy(each).double() if each.dtype != np.int64 else torch.from_numpy(each) for each in episode
    )
    adaptation = learned("second").double().eval()
    moved = []
    for sign in (1, -1):
        shifted = support.clone()
        shifted[0, 0] += sign * 1e-5
        moved.append(adaptation(shifted, labels, queries, 3)[0].square().mean().item())
    assert exact[0, 0].item() == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-2)


def test_order_and_repetition_of_examples_change_nothing(episode: tuple[np.ndarray, ...]) -> None:
    support, labels, queries = episode
    rates = rates_of(learned("second"))
    plain = adapt(support, labels, 3, rates).logits(queries)
    order = np.random.default_rng(3).permutation(8)
    np.testing.assert_allclose(adapt(support[order], labels[order], 3, rates).logits(queries), plain, atol=1e-3)
    twice = adapt(np.concatenate([support] * 2), np.concatenate([labels] * 2), 3, rates).logits(queries)
    np.testing.assert_allclose(twice, plain, atol=1e-3)


def test_a_class_given_the_same_example_five_times_is_that_example(episode: tuple[np.ndarray, ...]) -> None:
    support, _, _ = episode
    rates = rates_of(learned("second"))
    rows = support[[0, 0, 0, 0, 0, 1]]
    head = adapt(rows, np.array([0, 0, 0, 0, 0, 1]), 2, rates)
    assert np.isfinite(head.weight).all()
    assert head.logits(rows).argmax(1).tolist() == [0, 0, 0, 0, 0, 1]


def test_probabilities_sum_to_one_and_rates_survive_the_file(episode: tuple[np.ndarray, ...]) -> None:
    support, labels, queries = episode
    rates = Rates.read(rates_of(learned("second")).dump(temperature=1.7))
    head = adapt(support, labels, 3, rates)
    np.testing.assert_allclose(head.probabilities(queries).sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(rates.weight, rates_of(learned("second")).weight)
    assert rates.temperature == 1.7
    assert Rates.read(rates.without_steps().dump(1.0)).weight.shape[0] == 0


def test_a_share_of_the_rates_lies_between_the_prototypes_and_the_whole_step() -> None:
    rng = np.random.default_rng(3)
    support = rng.normal(size=(6, 8)).astype(np.float32)
    support /= np.linalg.norm(support, axis=1, keepdims=True)
    labels = np.array([0, 0, 1, 1, 2, 2])
    rates = Rates(10.0, np.full((1, 8), 0.05, np.float32), np.full(1, 0.05, np.float32))
    none, half, whole = (adapt(support, labels, 3, rates.scaled(share)).weight for share in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-6)
    np.testing.assert_allclose(none, adapt(support, labels, 3, rates.without_steps()).weight)
