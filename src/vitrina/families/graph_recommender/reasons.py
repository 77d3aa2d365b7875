"""Why a product is recommended: the products of the history that carried it, and how many customers chose both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from vitrina.recommendation.histories import Histories, History

MOST_REASONS = 2
LONGEST_TITLE = 60

SENTENCES: dict[str, dict[str, str | tuple[str, str]]] = {
    "en": {
        "bought_bought": ("Because you bought {title}, as did {n} customer who bought this.",
                          "Because you bought {title}, as did {n} customers who bought this."),
        "bought_chosen": ("Because you bought {title}, which {n} other customer chose together with this.",
                          "Because you bought {title}, which {n} other customers chose together with this."),
        "seen_chosen": ("Because you looked at {title}, as did {n} customer who chose this.",
                        "Because you looked at {title}, as did {n} customers who chose this."),
        "bought": "Because you bought {title}, which is similar.",
        "seen": "Because you looked at {title}, which is similar.",
        "popular": ("Chosen by {n} customer.", "Chosen by {n} customers."),
        "new": "New in the shop.",
    },
    "es": {
        "bought_bought": ("Porque compraste {title}, igual que {n} cliente que compró este producto.",
                          "Porque compraste {title}, igual que {n} clientes que compraron este producto."),
        "bought_chosen": ("Porque compraste {title}, que {n} cliente más eligió junto con este producto.",
                          "Porque compraste {title}, que {n} clientes más eligieron junto con este producto."),
        "seen_chosen": ("Porque miraste {title}, igual que {n} cliente que eligió este producto.",
                        "Porque miraste {title}, igual que {n} clientes que eligieron este producto."),
        "bought": "Porque compraste {title}, que se parece.",
        "seen": "Porque miraste {title}, que se parece.",
        "popular": ("Lo eligió {n} cliente.", "Lo eligieron {n} clientes."),
        "new": "Nuevo en la tienda.",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Because:
    """One product of a history that speaks for a recommended one.

    Attributes:
        place: the product of the history.
        share: its part of all that the history adds to the score, 0–1.
        bought: whether this user bought it (or rated it), not only looked at it.
        both_bought, both_chosen: other customers, in the training data, who bought both products, who chose both.
    """

    place: int
    share: float
    bought: bool
    both_bought: int
    both_chosen: int


class SharedCustomers:
    """Counts customers who have two products in common, in the training data. Thread-safe."""

    def __init__(self, training: Histories) -> None:
        self.training = training
        self.chosen = training.matrix()
        self._chosen = self.chosen.T.tocsr()
        self._bought = _bought(training, self.chosen).T.tocsr()

    def counts(self, items: np.ndarray, places: np.ndarray, user: str | None) -> tuple[np.ndarray, np.ndarray]:
        """(items, places) each: other customers than `user` who bought both, and who chose both."""
        own = None if user is None else self.training.place(user)
        bought, chosen = (_together(table, items, places, own) for table in (self._bought, self._chosen))
        return bought, chosen

    def customers(self, place: int, user: str | None) -> int:
        """Other customers than `user` who chose a product."""
        own = None if user is None else self.training.place(user)
        row = self._chosen[int(place)].indices
        return len(row) - int(own is not None and own in row)


def _bought(training: Histories, chosen: sparse.csr_matrix) -> sparse.csr_matrix:
    """(users, products): 1 where a user bought or rated a product and did not dislike it."""
    marks = np.zeros(len(training.items), dtype=np.float32)
    for place in range(len(training)):
        start, end = training.offsets[place], training.offsets[place + 1]
        marks[start:end] = np.isin(training.items[start:end], training.at(place).bought)
    table = sparse.csr_matrix((marks, (training.user_of, training.items)), shape=chosen.shape)
    table.data = (table.data > 0).astype(np.float32)
    table.eliminate_zeros()
    return table.multiply(chosen).tocsr()


def _together(table: sparse.csr_matrix, items: np.ndarray, places: np.ndarray, own: int | None) -> np.ndarray:
    """(items, places): rows in common of a (products, customers) table, without the customer `own`."""
    left, right = table[items], table[places]
    counts = np.asarray((left @ right.T).todense())
    if own is not None:
        counts = counts - left[:, [own]].toarray() * right[:, [own]].toarray().T
    return counts.astype(np.int64)


def because(
    history: History,
    items: np.ndarray,
    contributions: np.ndarray,
    counts: tuple[np.ndarray, np.ndarray],
) -> list[list[Because]]:
    """For each recommended product the products of the history that carried it, the strongest first; may be empty.

    Args:
        items: (n,) products of the history; `contributions`: (n, products) what each adds; `counts`: see
            `SharedCustomers.counts`.
    """
    bought = set(history.bought.tolist())
    positive = np.maximum(contributions, 0)
    total = positive.sum(0)
    found: list[list[Because]] = []
    for column in range(positive.shape[1]):
        order = np.argsort(-positive[:, column], kind="stable")[:MOST_REASONS]
        found.append(
            [
                Because(
                    int(items[row]),
                    float(positive[row, column] / total[column]),
                    int(items[row]) in bought,
                    int(counts[0][row, column]),
                    int(counts[1][row, column]),
                )
                for row in order
                if positive[row, column] > 0
            ]
        )
    return found


def sentence(why: Sequence[Because], titles: Sequence[str | None], ids: Sequence[str], language: str) -> str | None:
    """The first reason as a sentence in Spanish (`es`) or English (`en`), its number counted; None without one."""
    if not why:
        return None
    first, said = why[0], SENTENCES[language]
    if first.bought and first.both_bought:
        frame, count = said["bought_bought"], first.both_bought
    elif first.both_chosen:
        frame, count = said["bought_chosen" if first.bought else "seen_chosen"], first.both_chosen
    else:
        frame, count = said["bought" if first.bought else "seen"], 0
    return _filled(frame, count, shortened(titles[first.place] or ids[first.place]))


def popular(customers: int, language: str) -> str:
    """Why somebody nobody knows is shown a product: how many chose it."""
    said = SENTENCES[language]
    return _filled(said["popular"], customers, "") if customers else str(said["new"])


def _filled(frame: str | tuple[str, str], count: int, title: str) -> str:
    one = frame if isinstance(frame, str) else frame[0] if count == 1 else frame[1]
    return one.format(title=title, n=count)


def shortened(title: str) -> str:
    """A title that fits into a sentence, cut between words."""
    if len(title) <= LONGEST_TITLE:
        return title
    cut = title[:LONGEST_TITLE].rsplit(" ", 1)[0]
    return f"{cut.rstrip(' ,;.')}…"
