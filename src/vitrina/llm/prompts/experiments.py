"""Two versions of a prompt compared on live traffic: who gets which, and what may be concluded at any moment.

People look at a running comparison whenever they like; a test made for one look is wrong then far more often than it
says. So the verdict rests on an always-valid p-value, the mixture sequential probability ratio test (Johari, Pekelis,
Walsh, "Always Valid Inference", 2017): however often one looks, and stops when one likes what one sees, a difference
is claimed where there is none in at most `ALPHA` of the comparisons.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Decision = Literal["too few", "no difference shown", "candidate better", "production better"]

ALPHA = 0.05
MINIMUM = 100
"""Users of each version; with fewer, the normal approximation below is worth little."""
SCALE = 0.05
"""Typical size of a difference between two prompts (5 points), which the test is most sensitive to."""
SMALL = 5
"""Successes or failures of a version under which Fisher's exact test must agree."""


def is_candidate(user: str, share: float, salt: str) -> bool:
    """Whether a user gets the candidate: always the same answer, for about `share` of the users.

    Args:
        salt: names the comparison, so that the next one does not fall on the same users again; a user who got the
            candidate at one share still gets it at a higher one.
    """
    digest = hashlib.blake2b(user.encode(), key=hashlib.sha256(salt.encode()).digest(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share


@dataclass(frozen=True)
class Tally:
    """How often a version had success. `variance` is that of the rate, with answers to one user taken together."""

    users: int
    trials: int
    successes: int
    variance: float

    @property
    def rate(self) -> float:
        return self.successes / self.trials if self.trials else 0.0


def tally(outcomes: Iterable[tuple[str, bool]]) -> Tally:
    """Count the outcomes (user, success) of a version.

    Users are the unit of chance: the answers to one user resemble each other. The variance is the delta method's for a
    ratio of sums over users (Deng, Knoblich and Lu, 2018); with one answer a user it is the binomial one.
    """
    counts: dict[str, tuple[int, int]] = {}
    for user, success in outcomes:
        trials, successes = counts.get(user, (0, 0))
        counts[user] = trials + 1, successes + success
    trials, successes = (sum(each[i] for each in counts.values()) for i in (0, 1))
    variance = 0.0
    if len(counts) > 1:
        rate = successes / trials
        squares = sum((won - rate * tried) ** 2 for tried, won in counts.values())
        variance = squares / trials**2 * len(counts) / (len(counts) - 1)
    return Tally(len(counts), trials, successes, variance)


@dataclass(frozen=True)
class Verdict:
    """What the outcomes of two versions allow to say.

    Attributes:
        difference, low, high: the candidate's rate less production's, with its 95% interval, which holds however often
            one looks.
        p_value: always valid; 1 where nothing can be said. sentence: all of it for a person.
    """

    decision: Decision
    production: Tally
    candidate: Tally
    difference: float
    low: float
    high: float
    p_value: float
    sentence: str


def verdict(production: Tally, candidate: Tally, *, metric: str = "success", minimum: int = MINIMUM) -> Verdict:
    """Compare the rates of two versions."""
    difference = candidate.rate - production.rate
    variance = production.variance + candidate.variance
    p_value, reach = _always_valid(difference, variance)
    if _is_small(production) or _is_small(candidate):
        p_value = max(p_value, _exact(production, candidate))
    fewest = min(production.users, candidate.users)
    decision: Decision = "no difference shown"
    if fewest < minimum:
        decision = "too few"
    elif p_value < ALPHA:
        decision = "candidate better" if difference > 0 else "production better"
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    sentence = _sentence(decision, production, candidate, metric, (low, high), p_value, minimum)
    return Verdict(decision, production, candidate, difference, low, high, p_value, sentence)


def _always_valid(difference: float, variance: float) -> tuple[float, float]:
    """p-value and half width of the interval. With V the variance and τ `SCALE`, the likelihood ratio is

    Λ = √(V / (V + τ²)) · exp(τ² d² / (2 V (V + τ²))), p = min(1, 1 / Λ); the interval holds the d with Λ < 1 / α.
    """
    if variance <= 0:  # all alike, or hardly any: nothing tells chance from difference
        return 1.0, 1.0
    both = variance + SCALE**2
    log_ratio = 0.5 * math.log(variance / both) + SCALE**2 * difference**2 / (2 * variance * both)
    reach = math.sqrt(2 * variance * both / SCALE**2 * (math.log(1 / ALPHA) + 0.5 * math.log(both / variance)))
    return min(1.0, math.exp(-log_ratio)), reach


def _is_small(counted: Tally) -> bool:
    return min(counted.successes, counted.trials - counted.successes) < SMALL


def _exact(production: Tally, candidate: Tally) -> float:
    from scipy.stats import fisher_exact

    table = [[each.successes, each.trials - each.successes] for each in (production, candidate)]
    return float(fisher_exact(table).pvalue)


def _sentence(
    decision: Decision,
    production: Tally,
    candidate: Tally,
    metric: str,
    interval: tuple[float, float],
    p_value: float,
    minimum: int,
) -> str:
    rates = (
        f"{metric}: candidate {candidate.rate:.1%} of {candidate.trials:,} answers to {candidate.users:,} users, "
        f"production {production.rate:.1%} of {production.trials:,} to {production.users:,}"
    )
    if decision == "too few":
        return f"Too few to say anything: each version needs {minimum:,} users ({rates})."
    between = f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f} points, always-valid p = {p_value:.3g}"
    if decision == "no difference shown":
        return f"No difference is shown yet ({rates}; difference {between}); go on, or keep what is in production."
    better = decision.removesuffix(" better").capitalize()
    return f"{better} is better ({rates}; difference {between})."
