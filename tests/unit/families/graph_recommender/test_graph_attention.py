"""The attention over a history: NumPy says what torch says, and its parts add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrina.families.graph_recommender.attention import PARAMETERS, Attention
from vitrina.families.graph_recommender.reading import Reading, padded_readings
from vitrina.families.graph_recommender.taste import Taste

PRODUCTS, WIDTH, HEADS = 25, 12, 3
INTENTS = [0, 1, 0]


@pytest.fixture
def both() -> tuple[Taste, Attention, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    taste = Taste(WIDTH, HEADS, PRODUCTS)
    for parameter in taste.parameters():
        torch.nn.init.normal_(parameter)
    vectors = torch.nn.functional.normalize(torch.randn(PRODUCTS, WIDTH), dim=1)
    degrees = torch.rand(PRODUCTS) * 3
    parameters = {name: getattr(taste, name).detach().numpy() for name in PARAMETERS}
    return taste, Attention(vectors.numpy(), degrees.numpy(), parameters, 50), vectors, degrees


@pytest.fixture
def readings() -> list[Reading]:
    rng = np.random.default_rng(0)
    sizes = [4, 9, 0]
    return [Reading(rng.permutation(PRODUCTS)[:size], rng.random((size, 3)).astype(np.float32)) for size in sizes]


def test_numpy_and_torch_agree_also_without_a_history(
    both: tuple[Taste, Attention, torch.Tensor, torch.Tensor], readings: list[Reading]
) -> None:
    taste, attention, vectors, degrees = both
    items, features, present = (torch.from_numpy(each) for each in padded_readings(readings))
    with torch.no_grad():
        users = taste.attend(vectors[items], features, present, degrees[items], torch.tensor(INTENTS))
        scores = taste.scores(users, vectors, degrees, taste.bias)
    assert np.allclose(attention.users(readings, INTENTS), users.numpy(), atol=1e-5)
    assert np.allclose(attention.scores(attention.users(readings, INTENTS)), scores.numpy(), atol=1e-4)


def test_contributions_add_up_to_the_score_less_what_everybody_gets(
    both: tuple[Taste, Attention, torch.Tensor, torch.Tensor], readings: list[Reading]
) -> None:
    _, attention, _, _ = both
    places = np.array([3, 11, 20])
    scores = attention.scores(attention.users(readings[:1], [1]))[0, places]
    parts = attention.contributions(readings[0], 1, places)
    assert parts.shape == (4, 3)
    nobody = np.linalg.norm(attention._read(readings[0], 1).sum(0) + attention._constant[1])
    constant = attention._scale * attention._constant[1] @ attention.products[places].T / nobody
    assert np.allclose(parts.sum(0) + constant + attention.base[places], scores, atol=1e-4)


def test_intents_read_the_same_history_differently(
    both: tuple[Taste, Attention, torch.Tensor, torch.Tensor], readings: list[Reading]
) -> None:
    _, attention, _, _ = both
    browse, buy = attention.users([readings[0]] * 2, [0, 1])
    assert not np.allclose(browse, buy, atol=1e-3)
