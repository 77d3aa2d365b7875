"""The artists of Last.fm as a `catalogue`; `lastfm_hetrec` reads who listened. Nothing is known but their ids."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows, lastfm_hetrec, sequences

TABLE = "catalogue"
matches = lastfm_hetrec.matches


def read(folder: Path) -> RawRows:
    """One product an artist."""
    files = (folder / name for name in (lastfm_hetrec.TRAINING, lastfm_hetrec.TEST))
    items = (item for file in files for _, item, _ in sequences.lines(file))
    return sequences.numbered(sequences.catalogue(lastfm_hetrec.NAME, items))
