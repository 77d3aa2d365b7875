"""SNIPS (Coucke et al., 2018, arXiv 1805.10190): 7 intents of a voice assistant, in English."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows
from vitrina.data.sources.parallel_lines import labels, read_lines

TABLE = "messages"
INTENTS = {
    "AddToPlaylist",
    "BookRestaurant",
    "GetWeather",
    "PlayMusic",
    "RateBook",
    "SearchCreativeWork",
    "SearchScreeningEvent",
}


def matches(folder: Path) -> bool:
    """Whether the labels are the authors' seven."""
    return labels(folder) == INTENTS


def read(folder: Path) -> RawRows:
    """The authors group nothing: there is no domain."""
    return RawRows(read_lines(folder).assign(language="en"))
