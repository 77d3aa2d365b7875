"""The mix at work, in training and in serving alike: NumPy, and a network that is called with arrays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vitrina.artifacts import read_json, write_json
from vitrina.errors import ArtifactError
from vitrina.families.hybrid_recommender.components import NEURAL
from vitrina.families.hybrid_recommender.mixer import Mixed, Mixer, Scored, factors_of, scored
from vitrina.recommendation.histories import History
from vitrina.recommendation.members import Member
from vitrina.recommendation.ranking import best

FACTORS = "factors.safetensors"
USERS = "factor_users.json"


class Network(Protocol):
    """The exported graph, or the same in torch; see `modeling._Served` for inputs and outputs."""

    def __call__(self, outputs: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs."""


@dataclass(frozen=True)
class Factors:
    """What the network learned of products and users.

    Attributes:
        products: (products, width) float32, length 1.
        biases: (products,) float32.
        ids: of the users known in training, sorted.
        users: (users + 1, width) float32, in the order of `ids`; the last row, zeros, is nobody.
        scale: what a cosine is multiplied with.
        longest: events of a history that the network reads.
    """

    products: np.ndarray
    biases: np.ndarray
    ids: list[str]
    users: np.ndarray
    scale: float
    longest: int

    def save(self, folder: Path) -> None:
        """Write `factors.safetensors` and the users' ids."""
        from safetensors.numpy import save_file

        arrays = {"products": self.products, "biases": self.biases, "users": self.users}
        numbers = {"scale": np.array([self.scale], np.float32), "longest": np.array([self.longest], np.int64)}
        save_file({name: np.ascontiguousarray(each) for name, each in (arrays | numbers).items()}, folder / FACTORS)
        write_json(folder / USERS, self.ids)

    @classmethod
    def load(cls, folder: Path) -> Factors:
        """Read it back.

        Raises:
            ArtifactError: when it is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(folder / FACTORS)
            scale, longest = float(arrays.pop("scale")[0]), int(arrays.pop("longest")[0])
            return cls(**arrays, ids=read_json(folder / USERS), scale=scale, longest=longest)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / FACTORS} cannot be read: {error}.") from error

    def place(self, user: str | None) -> int | None:
        """Where a user stands in `users`; None when unknown in training."""
        place = 0 if user is None else bisect_left(self.ids, user)
        return place if user is not None and place < len(self.ids) and self.ids[place] == user else None

    def feed(self, batch: Sequence[History], users: Sequence[int | None]) -> dict[str, np.ndarray]:
        """The network's inputs for these users (places, None: unknown), without candidates."""
        width = self.products.shape[1]
        history = np.zeros((len(batch), self.longest, width), dtype=np.float32)
        weights = np.zeros((len(batch), self.longest), dtype=np.float32)
        for row, each in enumerate(batch):
            items = each.items[::-1][: self.longest]
            history[row, : len(items)] = self.products[items]
            weights[row, : len(items)] = each.weights[::-1][: self.longest]
        nobody = len(self.users) - 1
        own = self.users[[nobody if user is None else user for user in users]]
        return {"history": history, "weights": weights, "own": own}


@dataclass(frozen=True)
class Mix:
    """What validation chose.

    Attributes:
        weights: source → weight of its standardised scores; sources without weight are left out.
        second: how much the second look counts beside the first, over the best `candidates`; 0: there is none.
        sources: whose scores the second look reads, in order.
    """

    weights: Mapping[str, float]
    second: float = 0.0
    candidates: int = 200
    sources: tuple[str, ...] = ()

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Mix:
        """From the content of `labels.json`.

        Raises:
            ArtifactError: when it says nothing of a mix.
        """
        try:
            return cls(**{**settings["mix"], "sources": tuple(settings["mix"]["sources"])})
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"labels.json does not say how to mix: {error}.") from error

    @property
    def members(self) -> list[str]:
        """The closed-form members that are needed."""
        asked = [*self.weights, *(self.sources if self.second else ())]
        return [name for name in dict.fromkeys(asked) if name != NEURAL]

    @property
    def neural(self) -> bool:
        """Whether the network is needed."""
        return NEURAL in self.weights or self.second > 0


@dataclass(frozen=True)
class Ensemble:
    """Sources and their mix; see `of`."""

    mix: Mix
    members: Mapping[str, Member]
    mixer: Mixer
    factors: Factors | None = None
    network: Network | None = None

    @classmethod
    def of(
        cls,
        mix: Mix,
        members: Mapping[str, Member],
        ties: np.ndarray,
        factors: Factors | None = None,
        network: Network | None = None,
    ) -> Ensemble:
        """`ties`: (products,) float32, 0–1: who comes first where scores are equal."""
        dense = {name: found for name, member in members.items() if (found := factors_of(member)) is not None}
        if factors is not None:
            dense[NEURAL] = np.vstack([factors.products.T, factors.biases[None]])
        return cls(mix, members, Mixer(dense, ties), factors, network)

    def user_vectors(self, batch: Sequence[History], users: Sequence[int | None]) -> np.ndarray:
        """(batch, width) float32, length 1."""
        assert self.factors is not None
        assert self.network is not None
        width = self.factors.products.shape[1]
        one = {
            "candidates": np.zeros((len(batch), 1, width), np.float32),
            "features": np.zeros((len(batch), 1, max(len(self.mix.sources), 1)), np.float32),
        }
        return self.network(["user"], self.factors.feed(batch, users) | one)[0]

    def neural_scores(self, batch: Sequence[History], users: Sequence[int | None]) -> np.ndarray:
        """(batch, products) float32: the first score of the network."""
        assert self.factors is not None
        vectors = self.user_vectors(batch, users) * np.float32(self.factors.scale)
        return vectors @ self.factors.products.T + self.factors.biases

    def scores(self, batch: Sequence[History], users: Sequence[int | None]) -> Mixed:
        """The mixed scores of all products."""
        sources = {name: scored(self.members[name], batch) for name in self.mix.members}
        if NEURAL in self.mix.weights:
            assert self.factors is not None
            vectors = self.user_vectors(batch, users) * np.float32(self.factors.scale)
            sources[NEURAL] = Scored(np.hstack([vectors, np.ones((len(batch), 1), np.float32)]))
        return self.mixer.mix(sources, self.mix.weights, len(batch))

    def rank(
        self,
        batch: Sequence[History],
        users: Sequence[int | None],
        counts: Sequence[int],
        hidden: Sequence[tuple[np.ndarray, np.ndarray]],
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each row the places of the best `counts[row]` products and their scores.

        Args:
            hidden: for each row a penalty (products,), 0 or -inf, and the places that may not be shown besides.
        """
        found = self.scores(batch, users)
        least = self.mix.candidates if self.mix.second else 0
        firsts = []
        for row, (penalty, excluded) in enumerate(hidden):
            own = found.table[row]
            own += penalty
            own[excluded] = -np.inf
            places = best(own, max(counts[row], least))
            firsts.append((places, own[places]))
        if self.mix.second:
            firsts = self._looked_again(found, batch, users, firsts)
        return [(places[:count], scores[:count]) for (places, scores), count in zip(firsts, counts, strict=True)]

    def _looked_again(
        self,
        found: Mixed,
        batch: Sequence[History],
        users: Sequence[int | None],
        firsts: Sequence[tuple[np.ndarray, np.ndarray]],
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The first `candidates` of each row in the order of both looks; those behind keep theirs."""
        size = max((min(len(places), self.mix.candidates) for places, _ in firsts), default=0)
        if not size:
            return list(firsts)
        table = np.zeros((len(batch), size), dtype=np.int64)
        for row, (places, _) in enumerate(firsts):
            table[row, : min(size, len(places))] = places[:size]
        again = self.second_scores(found, batch, users, table)
        return [
            reordered(places, scores, again[row], self.mix.second, size) for row, (places, scores) in enumerate(firsts)
        ]

    def second_scores(
        self, found: Mixed, batch: Sequence[History], users: Sequence[int | None], places: np.ndarray
    ) -> np.ndarray:
        """(batch, C) scores of the second look at (batch, C) places."""
        assert self.factors is not None
        assert self.network is not None
        feed = self.factors.feed(batch, users)
        feed["candidates"] = self.factors.products[places]
        feed["features"] = np.stack([found.at(name, places) for name in self.mix.sources], axis=-1)
        return self.network(["scores"], feed)[0]


def reordered(
    places: np.ndarray, scores: np.ndarray, again: np.ndarray, weight: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first `size` places by first and second score together, each in units of its deviation among them."""
    size = min(size, len(places))
    if size < 2:
        return places, scores
    first, spread = scores[:size], float(scores[:size].std()) or 1.0
    mixed = (first - first.mean()) / spread + weight * _standard(again[:size])
    order = np.argsort(-mixed, kind="stable")
    behind = mixed.min() + (scores[size:] - first[-1]) / spread
    return np.concatenate([places[:size][order], places[size:]]), np.concatenate([mixed[order], behind])


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (float(values.std()) or 1.0)
