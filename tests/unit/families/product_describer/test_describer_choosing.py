"""The choice among candidates."""

from __future__ import annotations

from vitrina.families.product_describer.checker import Check
from vitrina.families.product_describer.choosing import Candidate


def candidate(
    text: str, *, missing: tuple[str, ...] = (), unmet: tuple[str, ...] = (), likelihood: float = -5.0
) -> Candidate:
    return Candidate(text, -0.5, likelihood, Check(missing), unmet)


def test_faithfulness_comes_before_keywords_and_wishes_before_likeness() -> None:
    found = [
        candidate("a", missing=("food",), likelihood=-1.0),
        candidate("b", unmet=("oak",), likelihood=-2.0),
        candidate("c", likelihood=-9.0),
        candidate("d", likelihood=-8.0),
    ]
    assert [each.text for each in sorted(found, key=lambda each: each.rank)] == ["d", "c", "b", "a"]
