import math

import numpy as np
import pytest
import torch

from vitrina.families.layers.product_heads.heads import lay_out
from vitrina.families.layers.product_heads.losses import head_loss, weighted

NAN = math.nan
ONE, MANY, RATING, QUALITY = lay_out(
    [
        {"name": "category", "kind": "one", "labels": ["a", "b", "c"]},
        {"name": "attributes.tags", "kind": "many", "labels": ["soft", "warm"]},
        {"name": "rating", "kind": "ordinal", "labels": ["1", "2", "3"]},
        {"name": "quality", "kind": "share", "labels": []},
    ]
)


def test_rows_without_a_label_do_not_count():
    logits = torch.randn(3, 3)
    whole = head_loss(logits[:2], torch.tensor([[0.0], [2.0]]), ONE)
    masked = head_loss(logits, torch.tensor([[0.0], [2.0], [NAN]]), ONE)
    assert masked.item() == pytest.approx(whole.item())
    assert head_loss(logits, torch.full((3, 1), NAN), ONE) is None


@pytest.mark.parametrize(
    ("head", "right", "wrong", "target"),
    [
        (ONE, [[5.0, 0, 0]], [[0, 5.0, 0]], [[0.0]]),
        (MANY, [[5.0, -5]], [[-5.0, 5]], [[1.0, 0.0]]),
        (RATING, [[5.0, -5]], [[-5.0, -5]], [[1.0]]),
        (QUALITY, [[0.0]], [[5.0]], [[0.5]]),
    ],
)
def test_the_right_answer_costs_less(head, right, wrong, target):
    costs = [head_loss(torch.tensor(logits), torch.tensor(target), head).item() for logits in (right, wrong)]
    assert costs[0] < costs[1]


def test_a_head_is_weighted_by_its_learned_uncertainty():
    logits, labels = torch.zeros(2, 8), torch.full((2, 5), NAN)
    labels[:, 0] = 0
    log_variance = torch.tensor([1.0, 3.0, 3.0, 3.0])  # heads without labels in the batch add nothing
    total = weighted(logits, labels, [ONE, MANY, RATING, QUALITY], log_variance)
    assert total.item() == pytest.approx(math.exp(-1) * math.log(3) + 0.5)


def test_a_batch_without_any_label_costs_nothing_and_has_a_gradient():
    logits = torch.ones(2, 8, requires_grad=True)
    total = weighted(logits, torch.full((2, 5), NAN), [ONE, MANY, RATING, QUALITY], torch.zeros(4))
    total.backward()
    assert total.item() == 0
    assert np.allclose(logits.grad, 0)
