"""Validation decides: how much each source counts, whether a second look pays, and what the card says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from vitrina.evaluation import ranking
from vitrina.evaluation.recommendation import per_user
from vitrina.families.hybrid_recommender.batches import Question
from vitrina.families.hybrid_recommender.components import BASELINES, NEURAL
from vitrina.families.hybrid_recommender.configuration import Options
from vitrina.families.hybrid_recommender.ensemble import Ensemble, Factors, Mix, Network
from vitrina.families.layers.comparison import Compared, best_simple, comparison_section
from vitrina.recommendation import blending
from vitrina.recommendation.members import Member
from vitrina.recommendation.ranking import top

CONTENT_FILE = "content.npy"
SECOND = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""Weights that are tried for the second look."""

LOOKED_AT = 2000
"""Validation rows, at most, that decide about the second look, and that the baselines are measured on."""

SCORES = 200_000_000
"""Scores of one source, at most, that choosing the weights looks at: bounds its time for large catalogues."""

GAIN = 1e-3
"""nDCG that a second look must bring to be worth its time."""

K = 10
BLOCK = 128
MIXED = "this model"


@dataclass(frozen=True)
class Chosen:
    """What was chosen, and what it was chosen from. `quality`: nDCG@10 of the whole model."""

    mix: Mix
    quality: float
    compared: list[Compared]

    def settings(self) -> dict[str, Any]:
        """The content of `labels.json`."""
        best = self.best_baseline
        return {
            "mix": asdict(self.mix),
            "validation_ndcg_at_10": self.quality,
            "best_baseline": best.name,
            "best_baseline_ndcg_at_10": float(best.ndcg.mean()),
            "baselines": {each.name: float(each.ndcg.mean()) for each in self.compared},
        }

    @property
    def best_baseline(self) -> Compared:
        """The best of the simple recommenders."""
        return best_simple(self._table({}))

    def _table(self, seconds: Mapping[str, float]) -> list[Compared]:
        """What was compared, with the time each took to fit; this model first."""
        return [replace(each, seconds=seconds.get(each.name), own=each.name not in BASELINES) for each in self.compared]

    def notes(self, seconds: Mapping[str, float], segments: Sequence[str]) -> str:
        """The section of the card that compares the model with simple ones on the same rows, and says who wins."""
        parts = ", ".join(f"{name} {weight:g}" for name, weight in self.mix.weights.items())
        second = (
            f"; a second look over the best {self.mix.candidates} counts {self.mix.second:g}" if self.mix.second else ""
        )
        groups = ", ".join(f"{name} {segments.count(name):,}" for name in sorted(set(segments)))
        rows = len(self.compared[0].ndcg)
        asked = f"{rows:,} of {len(segments):,} users ({groups})"
        about = f"The mix: {parts}{second}. It was chosen on the same validation rows as these: {asked}"
        return comparison_section(self._table(seconds), rows, about)


def choose(
    members: Mapping[str, Member],
    questions: Sequence[Question],
    options: Options,
    factors: Factors | None = None,
    network: Network | None = None,
) -> Chosen:
    """The best mix of the members that `options` allows and of the network, where there is one."""
    products = len(next(iter(members.values())).scores([questions[0].history])[0])
    allowed = {name: members[name] for name in options.members}
    everything = Ensemble.of(
        Mix({}, sources=options.members), allowed, np.zeros(products, np.float32), factors, network
    )
    scorers = {name: _member_scorer(members[name], questions) for name in options.members}
    if network is not None:
        scorers[NEURAL] = _neural_scorer(everything, questions)
    targets = [question.targets for question in questions]
    excluded = [question.history.distinct for question in questions]
    rows = max(LOOKED_AT // 4, min(2 * LOOKED_AT, SCORES // products))
    found = blending.choose(scorers, targets, excluded, k=K, rows=rows)
    weights = {name: weight for name, weight in found.items() if weight}
    mix = Mix(weights, candidates=min(options.candidates, products), sources=options.members)
    sample = list(questions[:: max(1, len(questions) // LOOKED_AT)])[:LOOKED_AT]
    if network is not None and options.members:
        mix = _second(replace(everything, mix=mix), sample)
    compared = [_measured(MIXED, replace(everything, mix=mix), sample)]
    for name, scorer in _lines(members, scorers, sample, everything).items():
        compared.append(_measured_scores(name, scorer, sample))
    return Chosen(mix, float(compared[0].ndcg.mean()), compared)


def _lines(
    members: Mapping[str, Member], scorers: Mapping[str, blending.Scorer], sample: Sequence[Question], model: Ensemble
) -> dict[str, blending.Scorer]:
    """The single recommenders of the table."""
    lines = {name: _member_scorer(member, sample) for name, member in members.items()}
    return lines | ({NEURAL: _neural_scorer(model, sample)} if NEURAL in scorers else {})


def _member_scorer(member: Member, questions: Sequence[Question]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: member.scores([questions[row].history for row in rows])


def _neural_scorer(model: Ensemble, questions: Sequence[Question]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: model.neural_scores(
        [questions[row].history for row in rows], [questions[row].user for row in rows]
    )


def _second(model: Ensemble, sample: Sequence[Question]) -> Mix:
    """The mix with the weight of the second look that is best, 0 where it gains too little."""
    found = [(float(_measured("", model, sample).ndcg.mean()) + GAIN, model.mix)]
    for weight in SECOND:
        trial = replace(model.mix, second=weight)
        found.append((float(_measured("", replace(model, mix=trial), sample).ndcg.mean()), trial))
    return max(found, key=lambda each: each[0])[1]


def _measured(name: str, model: Ensemble, sample: Sequence[Question]) -> Compared:
    """The ensemble as it answers."""
    nothing = np.zeros(model.mixer.products, dtype=np.float32)
    lists = np.full((len(sample), 2 * K), -1, dtype=np.int64)
    for start in range(0, len(sample), BLOCK):
        block = sample[start : start + BLOCK]
        answers = model.rank(
            [each.history for each in block],
            [each.user for each in block],
            [2 * K] * len(block),
            [(nothing, each.history.items) for each in block],
        )
        for row, (places, _) in enumerate(answers, start):
            lists[row, : len(places)] = places
    return _compared(name, lists, sample)


def _measured_scores(name: str, scorer: blending.Scorer, sample: Sequence[Question]) -> Compared:
    lists = [
        top(
            scorer(np.arange(start, min(start + BLOCK, len(sample)))),
            2 * K,
            excluded=[each.history.distinct for each in sample[start : start + BLOCK]],
        )
        for start in range(0, len(sample), BLOCK)
    ]
    return _compared(name, np.concatenate(lists), sample)


def _compared(name: str, lists: np.ndarray, sample: Sequence[Question]) -> Compared:
    found = ranking.hits(lists, [each.targets for each in sample])
    counts = np.array([len(each.targets) for each in sample])
    return Compared(name, per_user(found, counts, K)["ndcg"], per_user(found, counts, 2 * K)["recall"])
