"""Losses of link prediction, and what a batch holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.unit.families.graph_recommender.test_graph_building import histories_of
from vitrina.families.graph_recommender.batches import BUY, Collator, Questions
from vitrina.families.graph_recommender.configuration import Options
from vitrina.families.graph_recommender.graph import build_graph
from vitrina.families.graph_recommender.modeling import bpr, info_nce
from vitrina.recommendation.histories import Histories


def test_info_nce_is_the_softmax_of_a_target_against_negatives_alone() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0, 5.0]])
    wanted = torch.tensor([[True, True, False, False]])
    hidden = torch.tensor([[False, False, False, True]])  # chosen by the user elsewhere: no negative
    each = [-math.log(math.exp(s) / (math.exp(s) + math.exp(0))) for s in (2.0, 1.0)]
    assert info_nce(scores, wanted, hidden, None).item() == pytest.approx(sum(each) / 2, rel=1e-5)


def test_what_is_drawn_often_is_corrected() -> None:
    scores, drawn = torch.tensor([[1.0, 3.0]]), torch.tensor([0.0, 2.0])
    wanted, hidden = torch.tensor([[True, False]]), torch.zeros(1, 2, dtype=torch.bool)
    assert info_nce(scores, wanted, hidden, drawn).item() == pytest.approx(math.log(2), rel=1e-5)


def test_bpr_compares_a_target_with_negatives_only() -> None:
    scores = torch.tensor([[2.0, 7.0, 0.0]])
    wanted, hidden = torch.tensor([[True, False, False]]), torch.tensor([[False, True, False]])
    assert bpr(scores, wanted, hidden).item() == pytest.approx(math.log1p(math.exp(-2.0)), rel=1e-5)


def a_history(weights: list[float]) -> Histories:
    size = len(weights)
    offsets, times = np.array([0, size]), np.arange(size, dtype=float)
    names = [f"p{n}" for n in range(size)]
    return Histories(["u"], names, offsets, np.arange(size, dtype=np.int32), times, np.array(weights, np.float32))


def test_in_order_of_time_the_targets_come_next() -> None:
    questions = Questions(a_history([1] * 6), longest=3, targets=2, ordered=True)
    rng = np.random.default_rng(0)
    for _ in range(30):
        task = questions.task(0, rng)
        cut = task.targets[0]
        assert task.targets.tolist() == list(range(cut, min(cut + 2, 6)))
        assert task.reading.items.tolist() == list(range(max(cut - 3, 0), cut))


def test_the_intent_to_buy_has_products_that_were_bought() -> None:
    questions = Questions(a_history([1, 1, 4, 1, 4]), longest=9, targets=3, ordered=True)
    rng = np.random.default_rng(0)
    tasks = [questions.task(0, rng) for _ in range(40)]
    buying = [task for task in tasks if task.intent == BUY]
    assert buying
    assert all(set(task.targets.tolist()) <= {2, 4} for task in buying)
    assert any(task.targets.tolist()[:2] == [3, 4] for task in tasks if task.intent != BUY)


def test_without_order_targets_are_some_of_all_and_not_in_the_history() -> None:
    questions = Questions(a_history([1] * 10), longest=20, targets=4, ordered=False)
    task = questions.task(0, np.random.default_rng(0))
    assert len(task.targets) == 2  # one in five
    assert sorted([*task.targets.tolist(), *task.reading.items.tolist()]) == list(range(10))


def test_a_batch_marks_targets_and_never_counts_what_a_user_chose_as_negative() -> None:
    from scipy import sparse

    choices = np.kron(np.eye(2), np.ones((5, 6))).astype(np.float32)
    histories = histories_of(choices)
    graph = build_graph(sparse.csr_matrix(choices), sparse.csr_matrix((12, 0), dtype=np.float32))
    questions = Questions(histories, longest=9, targets=2, ordered=True)
    np.random.seed(0)
    batch = Collator(questions, graph, negatives=40, fanout=(2, 2))([0, 7])
    candidates = batch["candidates"].numpy()
    assert batch["wanted"].any(1).all()
    assert (batch["wanted"] <= batch["hidden"]).all()
    for row, user in enumerate((0, 7)):
        assert batch["hidden"][row].tolist() == (choices[user, candidates] > 0).tolist()
    seeds = set(batch["seeds"].tolist())
    assert {0, 7} <= seeds
    assert {int(product) + graph.users for product in candidates} <= seeds
    assert batch["sizes"][-1] == len(seeds)


def test_options_that_do_not_fit_together_are_refused() -> None:
    for wrong, said in (
        ({"dimension": 30, "heads": 4}, "no multiple"),
        ({"propagation": "lightgcn", "fanout": (3, 3)}, "no effect"),
        ({"layers": 3, "fanout": (4, 4)}, "needs 3 numbers"),
    ):
        with pytest.raises(ValueError, match=said):
            Options(**wrong)
    assert len(Options(layers=6).drawn) == 6
