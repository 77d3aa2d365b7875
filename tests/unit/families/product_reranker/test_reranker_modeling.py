"""The re-ranker's network: pieces of the similarities, the start, padding, losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vitrina.families.layers.text_encoder import encoder_config
from vitrina.families.product_reranker.configuration import ProductRerankerConfig
from vitrina.families.product_reranker.modeling import Pieces, ProductReranker

KNOWN = np.random.default_rng(0).random((200, 3)).astype(np.float32)


@pytest.fixture
def network(tiny_encoder: Path) -> ProductReranker:
    torch.manual_seed(0)
    config = ProductRerankerConfig(encoder=encoder_config(str(tiny_encoder)), similarities=3, bins=4)
    return ProductReranker(config).eval()


def batch(rows: int, width: int = 10) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 100, (rows, width), generator=torch.Generator().manual_seed(1))
    types = (torch.arange(width) >= width // 2).long().repeat(rows, 1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": types,
        "similarities": torch.from_numpy(KNOWN[:rows]),
    }


def test_pieces_fill_up_one_after_the_other_between_quantiles() -> None:
    pieces = Pieces(1, 2)
    pieces.fit(np.array([[0.0], [0.5], [1.0], [-1.0]], dtype=np.float32))
    filled = pieces(torch.tensor([[0.0], [0.25], [0.75], [2.0]])).tolist()
    assert filled == [[0, 0, 1], [0.5, 0, 1], [1, 0.5, 1], [1, 1, 1]]


def test_what_is_unknown_fills_nothing_and_differs_from_0() -> None:
    pieces = Pieces(2, 3)
    pieces.fit(KNOWN[:, :2])
    assert pieces(torch.tensor([[-1.0, -1.0]])).abs().sum() == 0
    assert pieces(torch.tensor([[0.0, -1.0]])).sum() == 1


def test_a_similarity_that_no_training_pair_knows_is_harmless() -> None:
    pieces = Pieces(2, 3)
    pieces.fit(np.array([[0.1, -1.0], [0.9, -1.0]], dtype=np.float32))
    assert torch.isfinite(pieces(torch.tensor([[0.5, 0.7]]))).all()


def test_texts_and_similarities_both_learn(network: ProductReranker) -> None:
    network(**batch(8), labels=torch.tensor([1.0, 0] * 4)).loss.backward()
    for part in (network.head, network.text[1], network.similarity[1]):
        assert part.weight.grad.abs().sum() > 0


def test_padding_changes_nothing(network: ProductReranker) -> None:
    rows = batch(2)
    padded = {
        name: torch.nn.functional.pad(value, (0, 4)) if name != "similarities" else value
        for name, value in rows.items()
    }
    torch.nn.init.normal_(network.head.weight)
    with torch.inference_mode():
        torch.testing.assert_close(network(**padded).logits, network(**rows).logits, atol=1e-5, rtol=1e-4)


def test_smoothing_moves_labels_towards_one_half(network: ProductReranker) -> None:
    logits, labels = torch.tensor([4.0, -4.0]), torch.tensor([1.0, 0.0])
    assert network.loss(logits, labels, 0.2) > network.loss(logits, labels)
    assert network.loss(torch.zeros(2), labels, 0.2) == pytest.approx(np.log(2))
