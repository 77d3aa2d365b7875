"""Which of several candidates is answered: the most faithful, then what was asked for, then the likeliest.

Faithfulness is the number of slot errors, as TGen re-ranks (Dušek and Jurčíček, 2016). Minimum-Bayes-risk choice among
the candidates was measured and gives nothing beyond the likeliest one (docs/adr/0020).
"""

from __future__ import annotations

from dataclasses import dataclass

from vitrina.families.product_describer.checker import Check


@dataclass(frozen=True)
class Candidate:
    """A description as people read it.

    Attributes:
        score: mean log-probability of a token.
        likelihood: log-probability by the search's own account of length; higher is better.
        unmet: what was asked for and it does not show: controls by name, keywords as they are.
    """

    text: str
    score: float
    likelihood: float
    check: Check
    unmet: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sort key, best first."""
        return (self.check.errors, len(self.unmet), -self.likelihood)
