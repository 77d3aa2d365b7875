"""The places of Gowalla as a `catalogue`; `gowalla` reads the check-ins. Nothing is known of them but their ids."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows, gowalla, sequences

TABLE = "catalogue"
matches = gowalla.matches


def read(folder: Path) -> RawRows:
    """One product a place."""
    users = sequences.lines(gowalla.training_file(folder) or folder / gowalla.FILES[0])
    return sequences.numbered(sequences.catalogue(gowalla.NAME, (item for _, *items in users for item in items)))
