"""Made-up attributes that the assistant's checks find, with what a catalogue teaches them, on the sample store.

Held-out descriptions have their material (or colour) replaced by another of the same language, the data stay as they
were: found is what is reported as invented under that attribute's name. The untouched descriptions are true: what is
reported there is a false alarm. Beside it the product describer's checker alone, without the signs of single phrases.

python benchmarks/prompt_faithfulness.py
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from _results import figure, report
from scipy.stats import binomtest

from vitrina.data.sample_store.catalogue import draw_catalogue
from vitrina.llm.prompts.faithfulness import LearnedKnowledge
from vitrina.llm.prompts.variables import ProductFacts

SEED, HELD_OUT = 11, 300
TAUGHT = (500, 900, 4000)
ATTRIBUTES = ("material", "colour")


def main() -> None:
    """Run and write `benchmarks/results/prompt_faithfulness.json`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    start = time.monotonic()
    begin, end = pd.Timestamp("2024-11-01", tz="UTC"), pd.Timestamp("2025-11-01", tz="UTC")
    rng = np.random.default_rng(SEED)
    store = draw_catalogue(max(TAUGHT) + HELD_OUT, rng, start=begin, end=end, drift=False)
    rows: list[Any] = store.tail(HELD_OUT).to_dict("records")
    figures: list[dict[str, Any]] = []
    for count in TAUGHT:
        learned = LearnedKnowledge.of(store[:count])
        alone = LearnedKnowledge(learned._checker, {})
        for attribute in ATTRIBUTES:
            (found, swapped), (before, _) = (swaps(each, rows, attribute) for each in (learned, alone))
            name = f"{count:,} products: swapped {attribute}s found"
            figures.append(share(name, found, swapped, "higher", checker_alone=before / swapped))
        blamed, before = (
            sum(bool(invented(each, row, row["description"])) for row in rows) for each in (learned, alone)
        )
        name = f"{count:,} products: true texts blamed"
        figures.append(share(name, blamed, len(rows), "lower", checker_alone=before / len(rows)))
    report("prompt_faithfulness", figures, time.monotonic() - start)


def swaps(knowledge: LearnedKnowledge, rows: list[dict[str, Any]], attribute: str) -> tuple[int, int]:
    """How many swapped values were found, of how many."""
    found = swapped = 0
    for row in rows:
        own = row[attribute]
        if own not in row["description"]:
            continue
        others = sorted({each[attribute] for each in rows if each["language"] == row["language"]} - {own})
        swapped += 1
        text = row["description"].replace(own, others[swapped % len(others)])
        found += any(each.startswith(attribute) for each in invented(knowledge, row, text))
    return found, swapped


def invented(knowledge: LearnedKnowledge, row: dict[str, Any], text: str) -> list[str]:
    """What a text makes up of a product."""
    known = {name: row[name] for name in ("title", "brand", "category")}
    return knowledge.compared(ProductFacts(**known, attributes=dict(row["attributes"])), text)[1]


def share(name: str, part: int, whole: int, better: str, **baselines: float) -> dict[str, Any]:
    """A share with Wilson's 95% interval."""
    bounds = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return figure(name, part / whole, "", better, None, (float(bounds.low), float(bounds.high)), **baselines)


if __name__ == "__main__":
    main()
