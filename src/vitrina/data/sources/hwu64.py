"""HWU64 (Liu et al., 2019, arXiv 1903.05566): 64 intents of a home assistant in 18 scenarios, in English."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows
from vitrina.data.sources.parallel_lines import labels, read_lines

TABLE = "messages"
SCENARIOS = {
    *("alarm", "audio", "calendar", "cooking", "datetime", "email", "general", "iot", "lists", "music"),
    *("news", "play", "qa", "recommendation", "social", "takeaway", "transport", "weather"),
}


def matches(folder: Path) -> bool:
    """Whether every label begins with a scenario of the authors."""
    found = labels(folder)
    return bool(found) and all(_scenario(label) in SCENARIOS for label in found)


def read(folder: Path) -> RawRows:
    """The scenario, which begins each label, is the domain."""
    rows = read_lines(folder)
    return RawRows(rows.assign(language="en", domain=rows["intent"].map(_scenario)))


def _scenario(label: str) -> str:
    return label.split("_", 1)[0]
