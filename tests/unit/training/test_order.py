"""Order and randomness of the rows: functions of seed, epoch and rows."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from vitrina.errors import UsageError
from vitrina.training.order import EpochOrder, SeededBatches, row_lengths


def test_each_epoch_has_every_row_once_in_its_own_order() -> None:
    order = EpochOrder(50, seed=3)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_an_order_depends_on_seed_and_epoch_only() -> None:
    torch.manual_seed(1)
    one = list(EpochOrder(50, seed=3))
    torch.manual_seed(2)
    assert list(EpochOrder(50, seed=3)) == one
    assert list(EpochOrder(50, seed=4)) != one


def test_rows_of_similar_length_share_a_batch() -> None:
    lengths = [n % 40 for n in range(400)]
    indices = list(EpochOrder(400, seed=3, lengths=lengths, batch_size=8))
    spreads = [np.ptp([lengths[i] for i in indices[start : start + 8]]) for start in range(0, 400, 8)]
    assert sorted(indices) == list(range(400))
    assert np.mean(spreads) < 5


def draw(rows: list[int]) -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def test_a_batch_draws_the_same_whenever_it_is_made() -> None:
    batches = SeededBatches(range(10), draw, seed=1)
    first = batches.__getitems__([1, 2])
    batches.__getitems__([5, 6])
    assert batches.__getitems__([1, 2]) == first
    assert batches.__getitems__([2, 1]) != first
    batches.set_epoch(1)
    assert batches.__getitems__([1, 2]) != first


def test_making_a_batch_leaves_the_random_numbers_of_training_alone() -> None:
    states = [torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()]
    SeededBatches(range(10), draw, seed=1).__getitems__([1])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])


def test_lengths_come_from_the_dataset_or_its_tokens() -> None:
    class Known(list):
        lengths = np.array([3, 1])

    assert row_lengths(Known([{}, {}])) == [3, 1]
    assert row_lengths([{"input_ids": [1, 2]}, {"input_ids": [1]}]) == [2, 1]
    with pytest.raises(UsageError, match="needs rows with input_ids"):
        row_lengths([{"pixels": 1}])
