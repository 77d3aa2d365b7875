"""Closed-form recommenders and their mix on public sets: Gowalla, Amazon Beauty, Last.fm. Full ranking, no samples.

Options of the members were chosen on the validation parts; the weights of each mix are, by this script. Then all are
fitted again on everything before the test part, which is ranked once. What a user had is never shown again. Intervals
are bootstrapped over users, of a ratio pairwise. `published`: as printed, on the standard split, for orientation.
Needs VITRINA_DATA.

python benchmarks/recommendation.py [--sets gowalla amazon_beauty_seq lastfm_hetrec] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _recommendation_sets import Questions, RecommendationSet, recommendation_set
from _results import figure, published, report

from vitrina.artifacts import read_json, write_json
from vitrina.evaluation import ranking
from vitrina.evaluation.recommendation import interval, per_user, ratio_interval
from vitrina.recommendation import blending, members
from vitrina.recommendation.histories import Histories
from vitrina.recommendation.ranking import top
from vitrina.settings import disable_telemetry

BLOCK = 256
USERS = 10_000
"""Users of a part that are asked, at most, chosen by a seed: each is ranked over all products, by all members."""

MIX = "mix"


@dataclass(frozen=True)
class Plan:
    """What is measured on a set.

    Attributes:
        members: label → member and options; each is measured alone.
        mixed: labels that the mix may give weight to.
        k: the depth of the figures.
        metrics: metric → target of the mix, None where there is none.
        rivals: label → how many times as good the mix has to be; empty: as good as the best of all.
        published: metric → name → value.
    """

    members: dict[str, tuple[str, dict[str, Any]]]
    mixed: tuple[str, ...]
    k: int
    metrics: dict[str, float | None]
    rivals: dict[str, float] = field(default_factory=dict)
    published: dict[str, dict[str, float]] = field(default_factory=dict)


PLANS = {
    "gowalla": Plan(
        members={
            "popularity": ("popularity", {}),
            "item_knn": ("item_knn", {"asymmetry": 0.65, "user_power": 0.5, "neighbours": 500}),
            "ease_of_6000": ("ease", {"head": 6000, "regularisation": 300.0}),
            "gfcf": ("gfcf", {"factors": 256, "neighbours": 500}),
            "low_pass": ("gfcf", {"factors": 512, "linear": 0.0, "weight": 1.0, "spectrum": 0.5}),
            "user_knn": ("user_knn", {"neighbours": 600, "candidate_power": 0.2}),
        },
        mixed=("item_knn", "low_pass", "user_knn"),
        k=20,
        metrics={"recall": None, "ndcg": None},
        rivals={"item_knn": 1.04, "gfcf": 1.04},
        published={"recall": {"lightgcn": 0.1824}, "ndcg": {"lightgcn": 0.1547}},
    ),
    "amazon_beauty_seq": Plan(
        members={
            "popularity": ("popularity", {}),
            "markov": ("markov", {}),
            "item_knn": ("item_knn", {"asymmetry": 0.65, "user_power": 0.5, "neighbours": 500}),
            "ease_of_6000": ("ease", {"head": 6000, "regularisation": 300.0}),
            "gfcf": ("gfcf", {"factors": 256, "neighbours": 500}),
            "recent_knn": ("recent_knn", {"neighbours": 1000}),
            "attribute_knn": ("attribute_knn", {"recency": 1.7}),
            "user_knn": ("user_knn", {"recency": 1.7}),
        },
        mixed=("recent_knn", "attribute_knn", "user_knn"),
        k=10,
        metrics={"hit_rate": 0.090, "ndcg": 0.057},
        rivals={"recent_knn": 1.0},
        published={
            "hit_rate": {"sasrec": 0.0605, "s3_rec": 0.0647},
            "ndcg": {"sasrec": 0.0318, "s3_rec": 0.0327},
        },
    ),
    "lastfm_hetrec": Plan(
        members={
            "popularity": ("popularity", {}),
            "item_knn": ("item_knn", {"asymmetry": 0.7, "user_power": 0.5, "neighbours": 1000}),
            "ease": ("ease", {"regularisation": 150.0, "neighbours": 1000}),
            "gfcf": ("gfcf", {"factors": 128}),
            "item_knn_plays": ("item_knn", {"asymmetry": 0.7, "user_power": 0.5, "neighbours": 1000, "strength": 1.0}),
            "ease_plays": ("ease", {"regularisation": 150.0, "neighbours": 1000, "strength": 1.0}),
            "gfcf_plays": ("gfcf", {"factors": 128, "strength": 1.0}),
            "user_knn_plays": ("user_knn", {"neighbours": 600, "candidate_power": 0.3, "strength": 1.0}),
        },
        mixed=("item_knn_plays", "ease_plays", "gfcf_plays", "user_knn_plays"),
        k=20,
        metrics={"recall": None, "ndcg": None},
        rivals={"popularity": 1.0, "item_knn": 1.0, "ease": 1.0, "gfcf": 1.0},
    ),
}


@dataclass(frozen=True)
class Fitted:
    """A member, and the seconds that fitting it took."""

    member: members.Member
    seconds: float


def fitted(data: RecommendationSet, histories: Histories, label: str, plan: Plan, folder: Path) -> Fitted:
    """The member called `label`, fitted where `folder` does not have it yet."""
    place = folder / label
    if not (place / "seconds.json").exists():
        name, options = plan.members[label]
        started = time.perf_counter()
        member = members.fit(name, histories, options, data.catalogue)
        seconds = time.perf_counter() - started
        member.save(place)
        write_json(place / "seconds.json", seconds)
        return Fitted(member, seconds)
    return Fitted(members.load(place), float(read_json(place / "seconds.json")))


def measured(
    parts: dict[str, members.Member], chosen: dict[str, float], questions: Questions, k: int
) -> dict[str, dict[str, np.ndarray]]:
    """Metrics at `k` of every user, by each member and by the mix."""
    lists: dict[str, list[np.ndarray]] = {label: [] for label in (*parts, MIX)}
    for start in range(0, len(questions.histories), BLOCK):
        batch = questions.histories[start : start + BLOCK]
        seen = questions.seen[start : start + BLOCK]
        mixed: Any = 0
        for label, member in parts.items():
            scores = member.scores(batch)
            lists[label].append(top(scores, k, excluded=seen))
            if chosen.get(label):
                mixed = mixed + np.float32(chosen[label]) * blending.standardised(scores)
        lists[MIX].append(top(mixed, k, excluded=seen))
    counts = np.array([len(targets) for targets in questions.targets])
    return {
        label: per_user(ranking.hits(np.concatenate(each), questions.targets), counts, k)
        for label, each in lists.items()
    }


def weights(data: RecommendationSet, plan: Plan, folder: Path) -> dict[str, float]:
    """The mix that validation chooses among members that know nothing later."""
    parts = {label: fitted(data, data.train, label, plan, folder).member for label in plan.mixed}

    def scorer(member: members.Member) -> blending.Scorer:
        return lambda rows: member.scores([data.validation.histories[row] for row in rows])

    scorers = {label: scorer(member) for label, member in parts.items()}
    return blending.choose(scorers, data.validation.targets, data.validation.seen, k=plan.k, rows=USERS)


def figures(data: RecommendationSet, plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """The mix beside every single member, on the test part."""
    chosen = weights(data, plan, folder / "validation")
    print(f"{data.name}: {chosen}", flush=True)
    whole = {label: fitted(data, data.known, label, plan, folder / "test") for label in plan.members}
    rows = measured({label: each.member for label, each in whole.items()}, chosen, data.test.sample(USERS), plan.k)
    found = []
    for metric, target in plan.metrics.items():
        values = {label: float(each[metric].mean()) for label, each in rows.items()}
        ours, name = values.pop(MIX), f"{data.name}_{metric}_{plan.k}"
        known = {f"{each}_published": value for each, value in plan.published.get(metric, {}).items()}
        found.append(figure(name, ours, "", "higher", target, interval(rows[MIX][metric]), **values, **known))
        found += gains(name, metric, plan, rows)
    used = [each.seconds for label, each in whole.items() if chosen.get(label)]
    alone = {label: each.seconds for label, each in whole.items()}
    return [*found, figure(f"{data.name}_fit", sum(used), "s", "lower", None, None, **alone)]


def gains(name: str, metric: str, plan: Plan, rows: dict[str, dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    """How many times as good as its rivals the mix is, over the same users."""
    means = {label: float(each[metric].mean()) for label, each in rows.items()}
    best = max((label for label in rows if label != MIX), key=means.__getitem__)
    found = []
    for label, target in (plan.rivals or {best: 1.0}).items():
        bounds = ratio_interval(rows[MIX][metric], rows[label][metric])
        found.append(figure(f"{name}_over_{label}", means[MIX] / means[label], "x", "higher", target, bounds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(PLANS), default=list(PLANS))
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/recommendation"), help="kept models")
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    found: list[dict[str, Any]] = []
    for name in arguments.sets:
        work = arguments.models / name
        measured_here = figures(recommendation_set(name, source, work), PLANS[name], work)
        print({each["name"]: round(each["value"], 4) for each in measured_here}, flush=True)
        found += measured_here
    report("recommendation", found, time.perf_counter() - started)


if __name__ == "__main__":
    main()
