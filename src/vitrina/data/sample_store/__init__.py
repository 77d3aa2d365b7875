"""The sample store: a coherent bilingual shop, drawn from a seed. The same seed gives the same bytes.

`drift=True` is the same shop later: new wording and new intents in the messages, another mix of intents and languages,
dearer products, changed tastes. `messages` gives the traffic that a service meets, with its true intents.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vitrina.contracts import TABLES
from vitrina.data.sample_store.behaviour import MONTHS, draw_interactions, draw_tastes
from vitrina.data.sample_store.catalogue import draw_catalogue
from vitrina.data.sample_store.messages import draw as draw_messages
from vitrina.data.sample_store.photos import draw_photos
from vitrina.data.sample_store.reviews import draw_reviews
from vitrina.data.tables import write_table
from vitrina.errors import UsageError

START = {False: pd.Timestamp("2024-11-01", tz="UTC"), True: pd.Timestamp("2025-05-01", tz="UTC")}


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    products: int = 1000
    users: int = 2000
    interactions: int = 20_000
    messages: int = 6000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise UsageError(f"A sample store needs at least one of {name}, got {value}.")


def write_store(
    folder: Path, size: Size, seed: int, *, drift: bool = False, only: Collection[str] | None = None
) -> dict[str, int]:
    """Write the five canonical tables (or those named in `only`, the same bytes) as `<table>.parquet` into `folder`.

    Returns:
        Table → rows.
    """
    start = START[drift]
    end = start + pd.DateOffset(months=MONTHS)
    products = draw_catalogue(size.products, _rng(seed, "catalogue"), start=start, end=end, drift=drift)
    taste = draw_tastes(products, size.users, _rng(seed, "tastes"), drift=drift)
    interactions = draw_interactions(products, taste, size.interactions, _rng(seed, "interactions", drift), start=start)
    tables: dict[str, Callable[[], pd.DataFrame]] = {
        "catalogue": lambda: products,
        "images": lambda: draw_photos(products[products["image_id"].notna()], _rng(seed, "photos")),
        "interactions": lambda: interactions,
        "reviews": lambda: draw_reviews(interactions, products, _rng(seed, "reviews", drift)),
        "messages": lambda: draw_messages(size.messages, _rng(seed, "messages", drift), drift=drift, side="history"),
    }
    rows = {}
    for name, draw in tables.items():
        if only is None or name in only:
            frame = draw()
            write_table(frame, TABLES[name], folder / f"{name}.parquet")
            rows[name] = len(frame)
    return rows


def messages(count: int, seed: int, drift: bool = False) -> pd.DataFrame:
    """`count` messages of traffic with their true intents: text, intent, language, split (empty), domain.

    None of these texts stands in any sample store's messages table, whatever its seed.
    """
    return draw_messages(count, _rng(seed, "traffic", drift), drift=drift, side="traffic")


def _rng(seed: int, part: str, drift: bool = False) -> np.random.Generator:
    """Each part has its own stream: a larger catalogue changes no message."""
    return np.random.default_rng([seed, zlib.crc32(part.encode()), int(drift)])
