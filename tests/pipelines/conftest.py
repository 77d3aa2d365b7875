"""A small pipeline of real components, and a table for it to work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

INTENTS = ("track_order", "refund", "greeting")


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    """A canonical messages table of 30 rows."""
    rows = [
        {"text": f"message {number}", "intent": INTENTS[number % 3], "language": "en", "split": "", "domain": None}
        for number in range(30)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema()), tmp_path / "messages.parquet")
    return tmp_path / "messages.parquet"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two rows labelled since."""
    rows: list[dict[str, Any]] = [
        {"text": "message 0", "intent": "refund", "language": "en", "split": "", "domain": None},
        {"text": "something new", "intent": "complaint", "language": "en", "split": "", "domain": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema()), tmp_path / "labelled.parquet")
    return tmp_path / "labelled.parquet"


def _schema() -> pa.Schema:
    return pa.schema({name: pa.string() for name in ("text", "intent", "language", "split", "domain")})
