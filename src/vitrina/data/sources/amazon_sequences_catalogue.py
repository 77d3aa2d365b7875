"""The products of the Amazon sequences as a `catalogue`: categories and brands as numbered attributes, no titles."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, amazon_sequences, sequences
from vitrina.errors import DataError

TABLE = "catalogue"
matches = amazon_sequences.matches


def read(folder: Path) -> RawRows:
    """One product an item, bought or only described; attribute 17, category or brand, becomes `attribute_17: yes`."""
    users = sequences.lines(amazon_sequences.sequences_file(folder))
    try:
        with gzip.open(folder / amazon_sequences.ATTRIBUTES, "rt", encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / amazon_sequences.ATTRIBUTES} cannot be read: {error}.") from error
    frame = sequences.catalogue(folder.name, {*known, *(item for _, *items in users for item in items)})
    attributes = {sequences.product_id(folder.name, item): numbers for item, numbers in known.items()}
    named = [
        {f"attribute_{number}": "yes" for number in attributes.get(product, [])} or None
        for product in frame["product_id"]
    ]
    frame["attributes"] = pd.Series(named, dtype=object)
    return sequences.numbered(frame)
