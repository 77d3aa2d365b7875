"""Gates: absolute bounds on an evaluation, and the paired comparison of a challenger with the champion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrina.evaluation.policy import Bound, Policy

DRAWS_PER_BLOCK = 20_000_000  # bounds the bootstrap's memory to 160 MB


@dataclass(frozen=True)
class GateResult:
    """One gate: `reason` says in words what was measured and what was asked."""

    gate: str
    value: float | None
    passed: bool
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Challenger minus champion, mean score over the same rows, with its bootstrap interval.

    `not_worse` is false when the whole interval is below zero (shown to be worse) and when it reaches below minus
    `margin` (a loss that large is not excluded).
    """

    difference: float
    low: float
    high: float
    not_worse: bool
    rows: int
    level: float
    margin: float

    def describe(self, champion: str) -> str:
        """One sentence; differences in points (hundredths of the score)."""
        numbers = (
            f"{100 * self.difference:+.1f} points ({self.level:.0%} interval {100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f}) on {self.rows:,} rows"
        )
        if self.not_worse:
            return f"not worse than champion {champion}: {numbers}"
        if self.high < 0:
            return f"worse than champion {champion}: {numbers}"
        return f"may be worse than champion {champion} by more than {100 * self.margin:.1f} points: {numbers}"


def check_gates(
    policy: Policy,
    metrics: Mapping[str, float],
    slices: Sequence[Mapping[str, Any]],
    behaviour: Sequence[Mapping[str, Any]],
) -> list[GateResult]:
    """Check every absolute gate of a policy against an evaluation; metrics that were not measured fail."""
    results = [_check(name, metrics.get(name), bound) for name, bound in policy.metrics.items()]
    results += _check_slices(policy, slices)
    rates = {check["check"]: check["rate"] for check in behaviour}
    results += [_check(f"behaviour {name}", rates.get(name), bound) for name, bound in policy.behaviour.items()]
    return results


def _check_slices(policy: Policy, slices: Sequence[Mapping[str, Any]]) -> Iterator[GateResult]:
    for name, bound in policy.slices.items():
        measured = [each for each in slices if each["slice"] == name]
        if not measured:
            yield _check(f"{bound.metric} by {name}", None, bound)
        for each in measured:
            if each["rows"] >= bound.minimum_rows:
                gate = f"{bound.metric} on {name}={each['value']} ({each['rows']:,} rows)"
                yield _check(gate, each.get(bound.metric), bound)


def _check(gate: str, value: float | None, bound: Bound) -> GateResult:
    if value is None:
        return GateResult(gate, None, bound.optional, f"{gate} was not measured")
    if bound.minimum is not None and not value >= bound.minimum:  # so that NaN fails
        number, limit = _told_apart(value, bound.minimum)
        return GateResult(gate, value, False, f"{gate} {number} is below the gate {limit}")
    if bound.maximum is not None and not value <= bound.maximum:
        number, limit = _told_apart(value, bound.maximum)
        return GateResult(gate, value, False, f"{gate} {number} is above the gate {limit}")
    return GateResult(gate, value, True, f"{gate} {value:.3f} passes")


def _told_apart(value: float, limit: float) -> tuple[str, str]:
    """Both numbers with three decimals, or with as many as show that they differ."""
    for digits in range(3, 12):
        if f"{value:.{digits}f}" != f"{limit:.{digits}f}":
            break
    return f"{value:.{digits}f}", f"{limit:.{digits}f}"


def paired_bootstrap(
    challenger_scores: np.ndarray,
    champion_scores: np.ndarray,
    *,
    samples: int = 2000,
    level: float = 0.95,
    margin: float = 0.0,
    seed: int = 7,
) -> Comparison:
    """Compare two models by their scores on the same rows (Efron and Tibshirani 1993, percentile interval).

    Rows with equal differences are interchangeable, so a resample is a multinomial draw of how often each distinct
    difference occurs: exact, and three numbers a draw for 0/1 scores.

    Args:
        challenger_scores: (rows,) higher is better.
        champion_scores: (rows,) in the same order.
        samples: number of resamples.
        level: two-sided coverage of the interval, 0–1.
        margin: the loss, in units of the score, that the interval must exclude.
        seed: of the resampling.

    Raises:
        ValueError: unequal lengths, no rows, or scores that are not finite.
    """
    differences = np.asarray(challenger_scores, float) - np.asarray(champion_scores, float)
    rows = len(differences)
    if rows == 0 or not np.isfinite(differences).all():
        raise ValueError("A comparison needs at least one row and finite scores.")
    values, counts = np.unique(differences, return_counts=True)
    generator = np.random.default_rng(seed)
    block = max(1, DRAWS_PER_BLOCK // len(values))
    means = np.concatenate(
        [
            generator.multinomial(rows, counts / rows, size=min(block, samples - start)) @ values / rows
            for start in range(0, samples, block)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    not_worse = bool(high >= 0 and low >= -margin)
    return Comparison(float(differences.mean()), float(low), float(high), not_worse, rows, level, margin)
