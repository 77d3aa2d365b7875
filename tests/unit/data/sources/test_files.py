"""Every file format a shop may bring gives the same rows, with their numbers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from vitrina.data.sources.files import read, read_frame
from vitrina.errors import DataError, UsageError

ROWS = [{"id": "1", "name": "café, negro"}, {"id": "2", "name": "line one\nline two"}]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def csv_of(delimiter: str) -> str:
    quoted = [f'"{row["id"]}"{delimiter}"{row["name"]}"' for row in ROWS]
    return "\n".join([f"id{delimiter}name", *quoted, ""])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", csv_of(",")),
        ("semicolon.csv", csv_of(";")),
        ("tab.tsv", csv_of("\t")),
        ("bar.csv", csv_of("|")),
        ("excel.csv", b"\xef\xbb\xbf" + csv_of(";").replace("\n", "\r\n", 1).encode()),
        ("a.csv.gz", gzip.compress(csv_of(",").encode())),
        ("lines.jsonl", "\n".join(json.dumps(row) for row in ROWS)),
        ("lines.json.gz", gzip.compress("\n".join(json.dumps(row) for row in ROWS).encode())),
        ("array.json", json.dumps(ROWS)),
    ],
)
def test_text_formats_give_the_same_rows(name: str, content: str | bytes, tmp_path: Path) -> None:
    raw = read(written(tmp_path / name, content))
    assert raw.frame.to_dict("records") == ROWS
    assert raw.frame.index.tolist() == [1, 2]
    assert not raw.rejected


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pd.DataFrame({"price": [1.5, 2.5]}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").frame["price"].tolist() == [1.5, 2.5]


def test_rows_that_cannot_be_split_are_rejected_with_their_number(tmp_path: Path) -> None:
    raw = read(written(tmp_path / "a.csv", "a,b\n1,2\n3,4,5\n6,7\n8\n9,10\n"))
    assert raw.frame.index.tolist() == [1, 3, 5]
    assert [(row.row, row.content) for row in raw.rejected] == [(2, "3,4,5"), (4, "8")]
    raw = read(written(tmp_path / "a.jsonl", '{"a": 1}\n{"a": \n[2]\n{"a": 3}\n'))
    assert raw.frame["a"].tolist() == [1, 3]
    assert sorted(row.row for row in raw.rejected) == [2, 3]


def test_a_cell_of_a_megabyte_is_read(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    assert read(written(tmp_path / "a.csv", f"id,text\n1,{long}\n2,short\n")).frame["text"].str.len().max() == 1_000_000


def test_whole_numbers_beside_gaps_stay_whole(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.jsonl", '{"a": 12}\n{"b": 1}\n')).frame["a"].tolist() == [12, None]


def test_another_encoding_is_read_when_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,name\n1,añil\n".encode("cp1252"))
    assert "\ufffd" in read(path).frame["name"][1]
    assert read(path, "cp1252").frame["name"][1] == "añil"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"  \n ", "is empty"),
        ("a.json", b"[1, 2", "not valid JSON"),
        ("a.jsonl", b"nothing here", "no line of valid JSON"),
        ("a.csv", b"id,id\n1,2\n", "more than one column named id"),
        ("a.csv.gz", b"\x1f\x8bbroken", "damaged gzip"),
        ("a.parquet", b"no parquet", "not a Parquet file"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path / name, content))


def test_a_missing_file_an_unknown_format_and_encoding_are_mistakes_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"unknown format '\.xlsx'"):
        read(written(tmp_path / "a.xlsx", "x"))
    with pytest.raises(UsageError, match="no text encoding 'klingon'"):
        read(written(tmp_path / "a.csv", "a\n1\n"), "klingon")


def test_a_file_that_must_be_sound_names_its_first_bad_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: 3 cells where the heading has 2"):
        read_frame(written(tmp_path / "a.csv", "a,b\n1,2\n3,4,5\n"))
