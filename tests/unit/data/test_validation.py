"""A broken contract is named: file, column, rule, rows, samples."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vitrina.artifacts import read_json
from vitrina.contracts import INTERACTIONS, MESSAGES, REVIEWS
from vitrina.data.tables import write_table
from vitrina.data.validation import check_tables
from vitrina.errors import DataError, UsageError
from vitrina.jobs.validate import validate


def events(**changes: list) -> pd.DataFrame:
    columns = {
        "user_id": ["u1", "u2", "u3"],
        "product_id": ["p1", "p1", "p2"],
        "event": ["view", "rating", "cart"],
        "value": [None, 4.0, 1.0],
        "timestamp": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"], utc=True),
    }
    return pd.DataFrame({**columns, **changes})


def breaches(frame: pd.DataFrame, path: Path) -> dict[str, str]:
    write_table(frame, INTERACTIONS, path)
    return {breach.rule: str(breach) for breach in check_tables({"interactions": path})["interactions"].breaches}


def test_a_sound_table_passes_every_check(tmp_path: Path) -> None:
    write_table(events(), INTERACTIONS, tmp_path / "i.parquet")
    result = validate({"interactions": tmp_path / "i.parquet"}, tmp_path / "report.json")
    assert result.ok
    assert result.tables["interactions"].rows == 3
    assert result.tables["interactions"].checks >= 12
    assert read_json(tmp_path / "report.json")["interactions"]["breaches"] == []


def test_a_breach_names_file_column_rule_rows_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "i.parquet"
    found = breaches(events(event=["view", "teleport", "cart"]), path)
    expected = f"{path}: column event breaks the rule 'one of view, cart, purchase, rating' in 1 of 3 rows"
    assert list(found.values()) == [f"{expected} (such as 'teleport')"]


def test_repeated_keys_and_empty_cells_are_found(tmp_path: Path) -> None:
    twice = pd.concat([events(), events().head(1)], ignore_index=True)
    assert list(breaches(twice, tmp_path / "i.parquet")) == ["unique"]
    found = breaches(events(user_id=["u1", None, "u3"]), tmp_path / "i.parquet")
    assert list(found) == ["not empty"]


def test_an_empty_table_does_not_pass(tmp_path: Path) -> None:
    found = breaches(events().head(0), tmp_path / "i.parquet")
    assert "at least one row" in found
    assert "in an empty file" in found["at least one row"]


def test_a_missing_or_retyped_column_is_named(tmp_path: Path) -> None:
    events(value=["a", "b", "c"]).drop(columns="event").to_parquet(tmp_path / "i.parquet")
    found = check_tables({"interactions": tmp_path / "i.parquet"})["interactions"].breaches
    text = {breach.column: str(breach) for breach in found}
    assert "event breaks the rule 'present as string'" in text["event"]
    assert "it is missing" in text["event"]
    assert "it is string" in text["value"]


def test_references_are_checked_when_both_tables_are_given(tmp_path: Path) -> None:
    reviews = pd.DataFrame({
        "review_id": ["r1"], "user_id": ["u1"], "product_id": ["nowhere"], "rating": [5], "title": [None],
        "text": ["good"], "recommended": [True], "timestamp": pd.to_datetime(["2025-01-01"], utc=True),
    })  # fmt: skip
    write_table(reviews, REVIEWS, tmp_path / "r.parquet")
    assert validate({"reviews": tmp_path / "r.parquet"}).ok
    # A catalogue that fails its own schema still says which products it knows.
    pd.DataFrame({"product_id": ["p1"]}).to_parquet(tmp_path / "c.parquet")
    both = check_tables({"reviews": tmp_path / "r.parquet", "catalogue": tmp_path / "c.parquet"})
    assert [breach.rule for breach in both["reviews"].breaches] == ["90% known in catalogue.product_id"]


def test_the_job_raises_once_and_reports_everything(tmp_path: Path) -> None:
    bad = events(event=["a", "b", "c"], user_id=["", "", ""], value=[-1.0, -1.0, -1.0], product_id=["", "", ""])
    write_table(bad, INTERACTIONS, tmp_path / "i.parquet")
    with pytest.raises(DataError, match=r"user_id breaks the rule.*; and \d+ more\."):
        validate({"interactions": tmp_path / "i.parquet"}, tmp_path / "report.json")
    assert len(read_json(tmp_path / "report.json")["interactions"]["breaches"]) >= 4


def test_unknown_tables_and_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no table 'orders'"):
        validate({"orders": tmp_path / "o.parquet"})
    with pytest.raises(UsageError, match="nothing to validate"):
        validate({})
    with pytest.raises(DataError, match="does not exist"):
        validate({"messages": tmp_path / "m.parquet"})


def test_messages_may_repeat(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["hi", "hi"], "intent": "greeting", "language": "en", "split": "", "domain": None})
    write_table(rows, MESSAGES, tmp_path / "m.parquet")
    assert validate({"messages": tmp_path / "m.parquet"}).ok
