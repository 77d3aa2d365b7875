"""What the services kept becomes training rows, by itself or merged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from vitrina.contracts import table_named
from vitrina.contracts.recommendation import Interaction
from vitrina.data.tables import write_table
from vitrina.errors import DataError
from vitrina.jobs import kept_events, merge
from vitrina.serving.histories import LiveHistories

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    live = LiveHistories.under(tmp_path)
    live.add(
        [Interaction("p1", "rating", 4.0, NOON, user_id="u2"), Interaction("p2", "purchase", None, NOON, user_id="u1")]
    )
    return live.path


def test_kept_events_are_rows_of_interactions(kept: Path, tmp_path: Path) -> None:
    result = kept_events(kept, tmp_path / "new.parquet")
    assert (result.rows, result.users) == (2, 2)
    rows = pq.read_table(tmp_path / "new.parquet").to_pylist()
    assert list(rows[0]) == table_named("interactions").names
    assert [(row["user_id"], row["event"], row["value"], row["timestamp"]) for row in rows] == [
        ("u1", "purchase", None, NOON),
        ("u2", "rating", 4.0, NOON),
    ]


def test_they_are_merged_with_what_the_champion_was_trained_on(kept: Path, tmp_path: Path) -> None:
    kept_events(kept, tmp_path / "new.parquet")
    frame = pq.read_table(tmp_path / "new.parquet").to_pandas().iloc[:1]
    write_table(frame, table_named("interactions"), tmp_path / "old.parquet")
    result = merge({"interactions": tmp_path / "old.parquet"}, {"interactions": kept}, tmp_path / "merged")
    assert (result.rows, result.replaced) == ({"interactions": 2}, 1)


def test_no_file_no_database_and_no_event_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no kept events at"):
        kept_events(tmp_path / "live.sqlite", tmp_path / "new.parquet")
    (tmp_path / "text.sqlite").write_text("not a database, only words that go on for a while")
    with pytest.raises(DataError, match="cannot be read as kept events"):
        kept_events(tmp_path / "text.sqlite", tmp_path / "new.parquet")
    live = LiveHistories.under(tmp_path)
    live.add([])
    with pytest.raises(DataError, match="no event yet"):
        kept_events(live.path, tmp_path / "new.parquet")
    assert not (tmp_path / "new.parquet").exists()
