"""What a table must look like before anything is trained on it."""

from __future__ import annotations

from vitrina.contracts.catalogue import CATALOGUE
from vitrina.contracts.columns import Table
from vitrina.contracts.images import IMAGES
from vitrina.contracts.interactions import INTERACTIONS
from vitrina.contracts.messages import MESSAGES
from vitrina.contracts.pairs import PAIRS
from vitrina.contracts.reviews import REVIEWS
from vitrina.errors import UsageError

TABLES = {table.name: table for table in (CATALOGUE, IMAGES, INTERACTIONS, REVIEWS, MESSAGES, PAIRS)}


def table_named(name: str) -> Table:
    """The contract of a canonical table.

    Raises:
        UsageError: when there is no such table; lists those that are.
    """
    if name not in TABLES:
        raise UsageError(f"There is no table '{name}'. Known: {', '.join(TABLES)}.")
    return TABLES[name]
