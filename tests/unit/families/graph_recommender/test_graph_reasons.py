"""Reasons: true counts of other customers, in Spanish and English."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.graph_recommender.reasons import Because, SharedCustomers, because, popular, sentence, shortened
from vitrina.recommendation.histories import Histories, History

BOUGHT, SEEN = 4.0, 1.0


@pytest.fixture
def shared() -> SharedCustomers:
    """u0 bought 0 and 1, u1 bought 0 and looked at 1, u2 bought 0 and 1 and looked at 2, u3 disliked 0 and bought 1."""
    events = [
        [(0, BOUGHT), (1, BOUGHT)],
        [(0, BOUGHT), (1, SEEN)],
        [(0, SEEN), (0, BOUGHT), (1, BOUGHT), (2, SEEN)],
        [(0, -4.0), (1, BOUGHT)],
    ]
    items = np.array([item for row in events for item, _ in row], np.int32)
    weights = np.array([weight for row in events for _, weight in row], np.float32)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in events])])
    users, products = [f"u{n}" for n in range(4)], ["p0", "p1", "p2"]
    return SharedCustomers(Histories(users, products, offsets, items, np.arange(len(items), dtype=float), weights))


def test_who_bought_and_who_chose_both_is_counted(shared: SharedCustomers) -> None:
    bought, chosen = shared.counts(np.array([0]), np.array([1, 2]), "a stranger")
    assert bought.tolist() == [[2, 0]]  # u0 and u2; u3 disliked the first
    assert chosen.tolist() == [[3, 1]]


def test_the_user_is_none_of_the_other_customers(shared: SharedCustomers) -> None:
    bought, chosen = shared.counts(np.array([0]), np.array([1, 2]), "u2")
    assert (bought.tolist(), chosen.tolist()) == ([[1, 0]], [[2, 0]])
    assert shared.customers(1, None) == 4
    assert shared.customers(1, "u0") == 3


def test_the_strongest_products_of_the_history_are_the_reasons() -> None:
    history = History(np.array([5, 8, 9], np.int32), np.arange(3.0), np.array([1, 4, 1], np.float32))
    contributions = np.array([[0.1, -1.0], [0.3, -1.0], [0.6, -1.0]])
    counts = (np.array([[0, 0], [7, 0], [0, 0]]), np.array([[1, 0], [9, 0], [4, 0]]))
    found = because(history, np.array([5, 8, 9]), contributions, counts)
    assert found[0] == [Because(9, pytest.approx(0.6), False, 0, 4), Because(8, pytest.approx(0.3), True, 7, 9)]
    assert found[1] == []


@pytest.mark.parametrize(
    ("why", "language", "said"),
    [
        (Because(0, 1, True, 7, 9), "en", "Because you bought Lamp, as did 7 customers who bought this."),
        (Because(0, 1, True, 1, 9), "en", "Because you bought Lamp, as did 1 customer who bought this."),
        (
            Because(0, 1, True, 0, 2),
            "es",
            "Porque compraste Lamp, que 2 clientes más eligieron junto con este producto.",
        ),
        (Because(0, 1, False, 0, 1), "es", "Porque miraste Lamp, igual que 1 cliente que eligió este producto."),
        (Because(0, 1, False, 0, 0), "en", "Because you looked at Lamp, which is similar."),
    ],
)
def test_a_sentence_says_the_first_reason(why: Because, language: str, said: str) -> None:
    assert sentence([why], ["Lamp"], ["p0"], language) == said


def test_no_reason_no_sentence_and_a_stranger_is_told_what_others_chose() -> None:
    assert sentence([], ["Lamp"], ["p0"], "en") is None
    assert popular(1, "en") == "Chosen by 1 customer."
    assert popular(3, "es") == "Lo eligieron 3 clientes."
    assert popular(0, "es") == "Nuevo en la tienda."


def test_a_long_title_is_cut_between_words() -> None:
    short = shortened("wonderful lamp " * 10)
    assert len(short) <= 61
    assert short.endswith("lamp…") or short.endswith("wonderful…")
