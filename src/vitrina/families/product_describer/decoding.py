"""Beam search and nucleus sampling over the two exported graphs, in NumPy; several sources run together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrina.families.layers.onnx_text import padded_tokens

NEVER = -1e9
PATIENCE = 4
"""Beam search goes on for as many times `width` ended texts when none of them is complete."""

Complete = Callable[[int, tuple[int, ...]], bool]
"""(source, ids of a text) → whether it says all it should, and nothing else."""


@dataclass(frozen=True)
class Search:
    """How descriptions are looked for.

    Attributes:
        width: hypotheses kept (beam search), or texts drawn (sampling).
        temperature: 0: beam search; above: sampling from softmax(logits / temperature).
        top_p: sampling draws from the fewest pieces that hold this much probability (Holtzman et al., 2020).
        length_penalty: a text's score is its log-probability / tokens ** length_penalty; the higher,
            the longer. The default was chosen on validation rows of E2E NLG: what a short text leaves out, the
            checker sees.
        no_repeat: runs of so many pieces never occur twice in a text; 0: they may.
        tokens: a text ends after so many at the latest.
    """

    width: int = 4
    temperature: float = 0.0
    top_p: float = 1.0
    length_penalty: float = 0.0
    no_repeat: int = 4
    tokens: int = 96
    seed: int = 7


@dataclass(frozen=True)
class Hypothesis:
    """A text as token ids without `</s>`; `logprob` is the sum over its tokens, `score` what searches rank by."""

    ids: tuple[int, ...]
    logprob: float
    score: float


class Generator:
    """The exported encoder and decoder. Thread-safe."""

    def __init__(self, encoder: Any, decoder: Any, pad: int, end: int) -> None:
        self.encoder, self.decoder, self.pad, self.end = encoder, decoder, pad, end

    def embed(self, sources: Sequence[Sequence[int]]) -> np.ndarray:
        """(sources, width) float32, unit rows: the mean of the encoded features."""
        return self.encoder.run(["embedding"], padded_tokens([list(source) for source in sources]))[0]

    def features(self, sources: Sequence[Sequence[int]]) -> np.ndarray:
        """Keys and values of the cross-attentions, (sources, 2 · layers, heads, tokens, size)."""
        return self.encoder.run(["features"], padded_tokens([list(source) for source in sources]))[0]

    def search(
        self,
        sources: Sequence[Sequence[int]],
        banned: Sequence[np.ndarray],
        how: Search,
        complete: Complete | None = None,
    ) -> list[list[Hypothesis]]:
        """The hypotheses of each source, best first.

        Args:
            banned: for each source the ids that its texts may not hold.
            complete: beam search for a source ends when `width` complete texts have ended: short texts, which end
                first, would otherwise stop it before those that say everything. Default: all are.
        """
        state = _State(self, sources, banned, how)
        state.complete = complete or (lambda source, ids: True)
        advance = _sample if how.temperature > 0 else _beam_step
        rng = np.random.default_rng(how.seed)
        for _ in range(how.tokens):
            if not len(state.alive):
                break
            advance(state, how, rng)
        state.close(how)
        return [sorted(found, key=lambda each: -each.score) for found in state.finished]


class _State:
    """The open texts of all sources: `width` rows for each source that still has any."""

    def __init__(
        self, model: Generator, sources: Sequence[Sequence[int]], banned: Sequence[np.ndarray], how: Search
    ) -> None:
        feed = padded_tokens([list(source) for source in sources])
        features = model.encoder.run(["features"], feed)[0]
        self.model, self.width = model, how.width
        self.alive = np.arange(len(sources))
        self.features = features.repeat(how.width, 0)
        self.mask = feed["attention_mask"].repeat(how.width, 0)
        self.past = np.zeros((len(self.mask), *features.shape[1:3], 0, features.shape[4]), dtype=np.float32)
        self.ids = np.zeros((len(self.mask), 0), dtype=np.int64)
        self.scores = np.zeros(len(self.mask))
        if how.temperature == 0:  # all rows of a source are equal at first: only one may speak
            self.scores.reshape(-1, how.width)[:, 1:] = NEVER
        self.banned = list(banned)
        self.finished: list[list[Hypothesis]] = [[] for _ in sources]
        self.completed = np.zeros(len(sources), dtype=int)
        self.complete: Complete = lambda source, ids: True

    def logits(self) -> np.ndarray:
        """Of the next token of every row, (rows, pieces); what may not be said is `NEVER`."""
        written = self.ids.shape[1]
        token = self.ids[:, -1] if written else np.full(len(self.ids), self.model.pad)
        logits, self.past = self.model.decoder.run(
            ["logits", "present"],
            {
                "token": token,
                "features": self.features,
                "attention_mask": self.mask,
                "past": self.past,
                "distance": np.arange(written, -1, -1, dtype=np.int64),
            },
        )
        for place, source in enumerate(self.alive):
            logits[place * self.width : (place + 1) * self.width, self.banned[source]] = NEVER
        return logits

    def keep(self, rows: np.ndarray, tokens: np.ndarray, scores: np.ndarray) -> None:
        """Go on from `rows`, each with its next token."""
        self.ids = np.concatenate([self.ids[rows], tokens[:, None]], axis=1)
        self.past, self.scores = self.past[rows], scores

    def drop(self, done: np.ndarray) -> None:
        """Leave out the sources that are done, bool (alive,)."""
        if done.any():
            rows = (~done).repeat(self.width)
            self.alive = self.alive[~done]
            for name in ("features", "mask", "past", "ids", "scores"):
                setattr(self, name, getattr(self, name)[rows])

    def finish(self, source: Any, ids: np.ndarray, logprob: float, how: Search) -> None:
        """Take a text; `ids` without `</s>`, which counts for its length."""
        score = logprob / (len(ids) + 1) ** how.length_penalty
        text = tuple(int(i) for i in ids)
        self.finished[source].append(Hypothesis(text, float(logprob), float(score)))
        self.completed[source] += self.complete(int(source), text)

    def close(self, how: Search) -> None:
        """Take the texts that reached the limit where a source has no better."""
        for place, source in enumerate(self.alive):
            for row in range(place * self.width, (place + 1) * self.width):
                if self.scores[row] > NEVER / 2 and len(self.finished[source]) < how.width:
                    self.finish(source, self.ids[row], self.scores[row], how)


def _beam_step(state: _State, how: Search, _: np.random.Generator) -> None:
    """One token more for every open hypothesis; a source is done when `width` of its texts have ended."""
    logprobs = log_softmax(state.logits())
    _forbid_repeats(logprobs, state.ids, how.no_repeat)
    pieces, width = logprobs.shape[1], how.width
    total = (state.scores[:, None] + logprobs).reshape(len(state.alive), width * pieces)
    best = np.argpartition(-total, 2 * width - 1, axis=1)[:, : 2 * width]
    rows, tokens, scores, done = [], [], [], []
    for place, source in enumerate(state.alive):
        order = best[place][np.argsort(-total[place, best[place]], kind="stable")]
        going: list[int] = []
        for rank, each in enumerate(order):
            row, token = place * width + each // pieces, each % pieces
            if token == state.model.end:
                if rank < width and total[place, each] > NEVER / 2:
                    state.finish(source, state.ids[row], total[place, each], how)
            elif len(going) < width:
                going.append(each)
        rows += [place * width + each // pieces for each in going]
        tokens += [each % pieces for each in going]
        scores += [total[place, each] for each in going]
        done.append(state.completed[source] >= width or len(state.finished[source]) >= PATIENCE * width)
    state.keep(np.array(rows), np.array(tokens), np.array(scores))
    state.drop(np.array(done))


def _sample(state: _State, how: Search, rng: np.random.Generator) -> None:
    """One token more for every open row, drawn; rows that have ended keep their place with nothing to say."""
    logits = state.logits()
    _forbid_repeats(logits, state.ids, how.no_repeat)
    probabilities = np.exp(log_softmax(logits / how.temperature))
    order = np.argsort(-probabilities, axis=1)
    ranked = np.take_along_axis(probabilities, order, 1)
    ranked[np.cumsum(ranked, axis=1) - ranked >= how.top_p] = 0
    reached = np.cumsum(ranked, axis=1)
    drawn = (reached < rng.random(len(reached))[:, None] * reached[:, -1:]).sum(1).clip(max=order.shape[1] - 1)
    tokens = np.take_along_axis(order, drawn[:, None], 1)[:, 0]
    scores = state.scores + np.take_along_axis(log_softmax(logits), tokens[:, None], 1)[:, 0]
    ended = (tokens == state.model.end) & (state.scores > NEVER / 2)
    for row in np.flatnonzero(ended):
        state.finish(state.alive[row // how.width], state.ids[row], scores[row], how)
    scores = np.where(ended | (state.scores <= NEVER / 2), NEVER, scores)
    state.keep(np.arange(len(tokens)), tokens, scores)
    state.drop(np.asarray((scores.reshape(-1, how.width) <= NEVER / 2).all(axis=1)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def _forbid_repeats(scores: np.ndarray, ids: np.ndarray, size: int) -> None:
    """Put out of reach, in place, the tokens that would complete a run of `size` tokens for the second time."""
    if size < 1 or ids.shape[1] < size:
        return
    windows = np.lib.stride_tricks.sliding_window_view(ids, size, axis=1)  # (rows, places, size)
    tail = ids[:, ids.shape[1] - size + 1 :]
    rows, places = np.nonzero((windows[:, :, :-1] == tail[:, None, :]).all(2))
    scores[rows, windows[rows, places, -1]] = NEVER
