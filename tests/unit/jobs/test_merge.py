"""Merging additions: the newest row wins, and what was held out stays held out."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrina.errors import DataError, UsageError
from vitrina.jobs import merge


def messages(path: Path, *rows: tuple[str, str, str]) -> Path:
    """A messages table of (text, intent, split) rows."""
    columns = zip(*rows, strict=True)
    table = pa.table({name: list(values) for name, values in zip(("text", "intent", "split"), columns, strict=True)})
    pq.write_table(table.append_column("language", pa.array(["en"] * len(rows))), path)
    return path


def read(folder: Path, name: str = "messages") -> list[tuple[str, str, str]]:
    rows = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return [(row["text"], row["intent"], row["split"]) for row in rows]


def test_a_corrected_label_replaces_the_earlier_one(tmp_path: Path) -> None:
    base = messages(tmp_path / "base.parquet", ("where is it", "refund", "train"), ("hello", "greeting", "train"))
    new = messages(tmp_path / "new.parquet", ("where is it", "track_order", ""), ("bye", "farewell", ""))
    result = merge({"messages": base}, {"messages": new}, tmp_path / "merged")
    expected = [("hello", "greeting", "train"), ("where is it", "track_order", "train"), ("bye", "farewell", "")]
    assert read(tmp_path / "merged") == expected
    assert (result.rows, result.added, result.replaced) == ({"messages": 3}, 2, 1)


def test_a_row_that_was_held_out_stays_held_out_when_its_label_changes(tmp_path: Path) -> None:
    base = messages(tmp_path / "base.parquet", ("a", "x", "train"), ("a", "y", "test"), ("b", "x", "validation"))
    new = messages(tmp_path / "new.parquet", ("a", "z", "train"), ("b", "z", ""))
    merge({"messages": base}, {"messages": new}, tmp_path / "merged")
    assert read(tmp_path / "merged") == [("a", "z", "test"), ("b", "z", "validation")]


def test_of_additions_with_one_text_the_last_counts(tmp_path: Path) -> None:
    base = messages(tmp_path / "base.parquet", ("a", "x", "train"))
    new = messages(tmp_path / "new.parquet", ("b", "x", ""), ("c", "x", ""), ("b", "y", ""))
    merge({"messages": base}, {"messages": new}, tmp_path / "merged")
    assert read(tmp_path / "merged") == [("a", "x", "train"), ("c", "x", ""), ("b", "y", "")]


def test_a_table_without_additions_passes_unchanged_with_its_types(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.string())
    catalogue = pa.table({"product_id": ["1", "1"], "attributes": pa.array([[("size", "M")], None], kind)})
    pq.write_table(catalogue, tmp_path / "catalogue.parquet")
    merge({"catalogue": tmp_path / "catalogue.parquet"}, {}, tmp_path / "merged")
    assert pq.read_table(tmp_path / "merged" / "catalogue.parquet") == catalogue


def test_a_column_that_an_addition_lacks_gets_its_default(tmp_path: Path) -> None:
    base = messages(tmp_path / "base.parquet", ("a", "x", "train"))
    pq.write_table(pa.table({"text": ["b"], "intent": ["y"]}), tmp_path / "new.parquet")
    merge({"messages": base}, {"messages": tmp_path / "new.parquet"}, tmp_path / "merged")
    rows = pq.read_table(tmp_path / "merged" / "messages.parquet").to_pylist()
    assert rows[1] == {"text": "b", "intent": "y", "split": "", "language": "und"}


def test_feedback_on_logged_predictions_comes_back_as_rows(tmp_path: Path) -> None:
    base = messages(tmp_path / "base.parquet", ("where is it", "refund", "test"))
    log = tmp_path / "log"
    log.mkdir()
    predictions = [
        {"request_id": str(number), "timestamp": f"2026-01-01T00:00:0{number}+00:00", "model": "m", "version": "1"}
        | {"text": text, "language": "en", "length": len(text), "label": "refund", "confidence": 0.9}
        | {"needs_clarification": False, "out_of_scope": False}
        for number, text in enumerate(("where is it", "my parcel?", "not labelled"))
    ]
    (log / "2026-01-01.1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in predictions))
    labels = [
        {"request_id": str(number), "label": "track_order", "timestamp": "2026-01-02T00:00:00+00:00"}
        for number in range(2)
    ]
    (log / "feedback.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    merge({"messages": base}, {"messages": log}, tmp_path / "merged")
    assert read(tmp_path / "merged") == [("where is it", "track_order", "test"), ("my parcel?", "track_order", "")]


def test_wrong_input_is_one_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    base = messages(tmp_path / "base.parquet", ("a", "x", "train"))
    (tmp_path / "broken.parquet").write_text("text,intent\nb,y\n")
    pq.write_table(pa.table({"intent": ["y"]}), tmp_path / "no_text.parquet")
    cases = [
        (UsageError, "no such table", {"reviews": base}),
        (DataError, "does not exist", {"messages": tmp_path / "absent.parquet"}),
        (DataError, "vitrina ingest messages", {"messages": tmp_path / "broken.parquet"}),
        (DataError, "has no column text", {"messages": tmp_path / "no_text.parquet"}),
    ]
    for error, sentence, additions in cases:
        with pytest.raises(error, match=sentence):
            merge({"messages": base}, additions, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
