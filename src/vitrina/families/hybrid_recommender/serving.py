"""User → products on an exported folder: NumPy, SciPy and, where there is a network, ONNX Runtime; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitrina.errors import ArtifactError
from vitrina.families.hybrid_recommender import components
from vitrina.families.hybrid_recommender.ensemble import Ensemble, Factors, Mix
from vitrina.families.layers.onnx_text import load_session
from vitrina.families.layers.recommenders import ShopRecommender
from vitrina.recommendation.histories import History
from vitrina.recommendation.ranking import best
from vitrina.recommendation.shelf import Asked, Ranked, Shelf

CONTENT_FILE = "content.npy"


class HybridPredictor(ShopRecommender):
    """A loaded model. Thread-safe; every call may hold any number of requests."""

    def __init__(self, folder: Path, weights: str | None = None) -> None:
        """`weights` names the ONNX file, where the model has a network (default: int8 where there is one).

        Raises:
            ArtifactError: when a file is missing or damaged.
        """
        super().__init__(folder)
        mix = Mix.read(self.settings)
        self._ensemble = Ensemble.of(
            mix,
            components.load(folder, mix.members),
            self.popularity,
            Factors.load(folder) if mix.neural else None,
            _OnnxNetwork(load_session(folder, weights)) if mix.neural else None,
        )
        try:
            self._content = components.Content(np.load(folder / CONTENT_FILE).astype(np.float32))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{folder / CONTENT_FILE} cannot be read: {error}.") from error
        if len(self._content.vectors) != len(self.shelf):
            raise ArtifactError(f"{folder} is damaged: {CONTENT_FILE} has not one row a product.")
        self._penalty: tuple[Shelf, np.ndarray] | None = None

    @property
    def mix(self) -> Mix:
        """What is served, as validation chose it."""
        return self._ensemble.mix

    def rank(self, asked: Sequence[Asked], shelf: Shelf) -> list[Ranked]:
        """The best products for each; who has no history gets what most customers had."""
        answers: list[Ranked | None] = [self._cold(one, shelf) if _is_cold(one) else None for one in asked]
        warm = [row for row, answer in enumerate(answers) if answer is None]
        if warm:
            found = self._ensemble.rank(
                [asked[row].history for row in warm],
                [self._place(asked[row].user) for row in warm],
                [asked[row].k for row in warm],
                [(self._hidden(asked[row], shelf), asked[row].excluded) for row in warm],
            )
            for row, (places, scores) in zip(warm, found, strict=True):
                answers[row] = Ranked(places, scores, cold=False)
        return [answer for answer in answers if answer is not None]

    def _place(self, user: str | None) -> int | None:
        """The user's place among those that the network was trained with."""
        factors = self._ensemble.factors
        return None if factors is None else factors.place(user)

    def _cold(self, one: Asked, shelf: Shelf) -> Ranked:
        scores = self.popularity + self._hidden(one, shelf)
        scores[one.excluded] = -np.inf
        places = best(scores, one.k)
        return Ranked(places, scores[places], cold=True)

    def _hidden(self, one: Asked, shelf: Shelf) -> np.ndarray:
        """(products,) float32: 0 for what may be shown, -inf for the rest. Kept for requests without filters."""
        allowed = shelf.allowed(one.filters)
        if self._penalty is not None and self._penalty[0] is shelf and allowed is shelf.default_allowed:
            return self._penalty[1]
        penalty = np.where(allowed, np.float32(0), np.float32(-np.inf))
        if allowed is shelf.default_allowed:
            self._penalty = (shelf, penalty)
        return penalty

    def vectors(self, histories: Sequence[History], users: Sequence[str | None]) -> np.ndarray:
        """(histories, width) float32: what each history is about."""
        return self._content.means(histories)


def _is_cold(one: Asked) -> bool:
    return not (one.history.weights > 0).any()


class _OnnxNetwork:
    """The exported graph as the ensemble calls it."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, outputs: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return list(self._session.run(list(outputs), dict(feed)))


def load(folder: Path, weights: str | None = None) -> HybridPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    return HybridPredictor(Path(folder), weights)
