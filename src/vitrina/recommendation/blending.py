"""A mix of recommenders: each one's scores standardised a row, and weights chosen on validation nDCG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitrina.artifacts import read_json, write_json
from vitrina.recommendation import members
from vitrina.recommendation.histories import History
from vitrina.recommendation.members import Member
from vitrina.recommendation.ranking import NO_PRODUCT, top

Scorer = Callable[[np.ndarray], np.ndarray]
"""Places of validation rows → (rows, products) scores."""

MIX = "mix.json"
ROWS, DEPTH, BLOCK = 4000, 200, 256
FACTORS = (0.0, 0.5, 0.7, 0.85, 1.2, 1.5, 2.0)
ENTRY = 0.2
"""A recommender that has no weight yet is tried with this share of the largest weight, and with multiples of it."""

GAIN = 1e-4
"""An nDCG gained by less is an accident of the rows."""

SEARCHES = 8
SMALLEST = 0.02
"""A share below is 0: a recommender costs time at every request."""

NOT_SHOWN = -1e9


def standardised(scores: np.ndarray) -> np.ndarray:
    """Every row with mean 0 and deviation 1, float32; a row that says nothing (all alike) becomes 0."""
    scores = np.asarray(scores, dtype=np.float32)
    centred = scores - scores.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-9)


@dataclass(frozen=True)
class Blend:
    """Members with their weights; scores = Σ weight · standardised(member's scores)."""

    members: Mapping[str, Member]
    weights: Mapping[str, float]

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32."""
        parts = [(weight, self.members[name]) for name, weight in self.weights.items() if weight]
        total = parts[0][0] * standardised(parts[0][1].scores(batch))
        for weight, member in parts[1:]:
            total += weight * standardised(member.scores(batch))
        return total

    def save(self, folder: Path) -> None:
        """Write `mix.json` and a folder for each member that has weight."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: float(weight) for name, weight in self.weights.items() if weight}
        for name in weights:
            self.members[name].save(folder / name)
        write_json(folder / MIX, weights)

    @classmethod
    def load(cls, folder: Path) -> Blend:
        """Open what `save` wrote; raises ArtifactError when something is missing or damaged."""
        weights = read_json(folder / MIX)
        return cls({name: members.load(folder / name) for name in weights}, weights)


@dataclass(frozen=True)
class _Candidates:
    """What any recommender would show.

    Attributes:
        scores: (recommenders, rows, candidates) float32.
        rows, columns: (found,) where the relevant ones among the candidates stand.
        best: (rows,) the largest discounted gain that is possible.
    """

    scores: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    best: np.ndarray

    def ndcg(self, weights: np.ndarray, k: int) -> float:
        """Mean nDCG at `k` of the weighted scores."""
        mixed = np.tensordot(weights.astype(np.float32), self.scores, axes=1)
        gained = 0.0
        for start in range(0, len(self.rows), BLOCK):
            rows, columns = self.rows[start : start + BLOCK], self.columns[start : start + BLOCK]
            rivals, own = mixed[rows], mixed[rows, columns][:, None]
            rank = (rivals > own).sum(1) + ((rivals == own) & (np.arange(mixed.shape[1]) < columns[:, None])).sum(1)
            gained += float(np.where(rank < k, 1 / np.log2(rank + 2) / self.best[rows], 0).sum())
        return gained / len(self.best)

    def part(self, rows: np.ndarray) -> _Candidates:
        """Some of the rows, in ascending order."""
        place = np.full(len(self.best), -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.rows] >= 0
        return _Candidates(self.scores[:, rows], place[self.rows[kept]], self.columns[kept], self.best[rows])


def choose(
    scorers: Mapping[str, Scorer],
    targets: Sequence[np.ndarray],
    excluded: Sequence[np.ndarray],
    *,
    k: int = 10,
    rows: int = ROWS,
    seed: int = 7,
) -> dict[str, float]:
    """Weights, 0 or more, of the mix with the best mean nDCG at `k`; deterministic.

    A coordinate search over what any recommender ranks among its first `DEPTH`, from even weights or from the best
    single one. Near the best, nDCG is flat, and a search ends where the rows happen to put it: the mean over searches
    on random halves of the rows is taken (bagging, Breiman, 1996).

    Args:
        scorers: by name; the same rows for all.
        targets: places of the relevant products of each validation row.
        excluded: places that each row does not show.
        rows: at most so many rows are looked at, chosen by `seed`.
    """
    rng = np.random.default_rng(seed)
    chosen = np.arange(len(targets))
    if len(chosen) > rows:
        chosen = np.sort(rng.choice(len(chosen), rows, replace=False))
    candidates = _candidates(scorers, chosen, targets, excluded, k)
    size = max(len(chosen) // 2, 1)
    halves = [np.sort(rng.choice(len(chosen), size, replace=False)) for _ in range(SEARCHES)]
    found = np.mean([_search(candidates.part(half), k) for half in halves], axis=0)
    found = np.where(found < SMALLEST, 0, found)
    return dict(zip(scorers, (round(float(weight), 4) for weight in found / found.sum()), strict=True))


def _search(candidates: _Candidates, k: int) -> np.ndarray:
    """The weights, of sum 1, where no step of one of them gains more."""
    count = len(candidates.scores)
    starts = [*np.eye(count), np.full(count, 1 / count)]
    values = [candidates.ndcg(start, k) for start in starts]
    weights, best = starts[int(np.argmax(values))], max(values)
    improved = True
    while improved:
        improved = False
        for place in range(count):
            for value in _trials(weights, place):
                trial = weights.copy()
                trial[place] = value
                if trial.any() and (reached := candidates.ndcg(trial, k)) > best + GAIN:
                    best, weights, improved = reached, trial, True
    return weights / weights.sum()


def _trials(weights: np.ndarray, place: int) -> list[float]:
    base = weights[place] or ENTRY * weights.max()
    return [base * factor for factor in (*FACTORS, 1.0) if base * factor != weights[place]]


def _candidates(
    scorers: Mapping[str, Scorer],
    chosen: np.ndarray,
    targets: Sequence[np.ndarray],
    excluded: Sequence[np.ndarray],
    k: int,
) -> _Candidates:
    width = len(scorers) * DEPTH
    scores = np.full((len(scorers), len(chosen), width), NOT_SHOWN, dtype=np.float32)
    relevant = np.zeros((len(chosen), width), dtype=bool)
    for start in range(0, len(chosen), BLOCK):
        block = chosen[start : start + BLOCK]
        parts = [standardised(scorer(block)) for scorer in scorers.values()]
        lists = [top(part, DEPTH, excluded=[excluded[row] for row in block]) for part in parts]
        for offset, row in enumerate(block):
            shown = np.unique(np.concatenate([each[offset] for each in lists]))
            shown = shown[shown != NO_PRODUCT]
            scores[:, start + offset, : len(shown)] = [part[offset, shown] for part in parts]
            relevant[start + offset, : len(shown)] = np.isin(shown, targets[row])
    possible = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    best = possible[np.array([min(len(targets[row]), k) for row in chosen]) - 1]
    found, columns = np.nonzero(relevant)
    return _Candidates(scores, found, columns, best)
