"""Entity matching sets become a catalogue and pairs; repeats and contradictions go to quarantine."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from vitrina.data import sources
from vitrina.data.ingest import ingest
from vitrina.data.sources import ditto
from vitrina.errors import DataError, UsageError
from vitrina.jobs import validate

LIBRARY = os.environ.get("VITRINA_DATA", "")
needs_library = pytest.mark.skipif(not LIBRARY, reason="VITRINA_DATA names no folder of published sets")

CAMERA = "COL title VAL canon powershot COL brand VAL canon COL modelno VAL SD1100 COL price VAL 199.0"
SAME = "COL title VAL canon sd1100 is camera COL brand VAL  COL modelno VAL  COL price VAL "
OTHER = 'COL name VAL "Nike Zoom"@en "Null" COL manufacturer VAL nike COL description VAL a  shoe COL price VAL free'


def lines(*rows: tuple[str, str, int]) -> str:
    return "".join(f"{left} \t{right}\t{label}\n" for left, right, label in rows)


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.txt").write_text(content)
    return folder


def test_records_become_products_with_what_they_state(tmp_path: Path) -> None:
    folder = write(tmp_path, train=lines((CAMERA, SAME, 1), (CAMERA, OTHER, 0)))
    ingest(folder, "catalogue", tmp_path / "c.parquet", layout="ditto_catalogue")
    camera, same, other = pd.read_parquet(tmp_path / "c.parquet").to_dict("records")
    assert (camera["title"], camera["brand"], camera["price"], camera["currency"]) == (
        *("canon powershot", "canon", 199.0, "USD"),
    )
    assert dict(camera["attributes"]) == {"model": "SD1100"}
    assert (same["brand"], same["currency"], same["attributes"]) == (None, None, None)
    assert same["price"] != same["price"]
    assert (other["title"], other["brand"], other["description"]) == ("Nike Zoom Null", "nike", "a shoe")
    assert other["price"] != other["price"]


def test_pairs_name_the_products_of_the_catalogue(tmp_path: Path) -> None:
    folder = write(tmp_path, train=lines((CAMERA, SAME, 1)), valid=lines((CAMERA, OTHER, 0)))
    tables = {table: tmp_path / f"{table}.parquet" for table in ("pairs", "catalogue")}
    for table, output in tables.items():
        ingest(folder, table, output, layout=f"ditto_{table}")
    assert validate(tables).ok
    rows = pd.read_parquet(tables["pairs"])
    assert rows["match"].tolist() == [True, False]
    assert rows["split"].tolist() == ["train", "validation"]
    assert rows["left_id"].nunique() == 1


def test_a_repeated_pair_stays_in_the_strictest_split_only(tmp_path: Path) -> None:
    others = [(f"COL title VAL lamp {number}", OTHER, 0) for number in range(20)]
    folder = write(tmp_path, train=lines((CAMERA, SAME, 1), (CAMERA, SAME, 1), *others), valid=lines((CAMERA, SAME, 1)))
    result = ingest(folder, "pairs", tmp_path / "p.parquet", layout="ditto_pairs")
    rows = pd.read_parquet(tmp_path / "p.parquet")
    assert rows.loc[rows["match"], "split"].tolist() == ["validation"]
    assert (result.rows, result.quarantined) == (21, 2)
    assert set(pd.read_csv(tmp_path / "p.quarantine.csv")["reason"]) == {"pair stands elsewhere too"}


def test_a_pair_with_both_labels_is_left_out_everywhere(tmp_path: Path) -> None:
    good = [(f"COL title VAL lamp {number}", OTHER, 0) for number in range(20)]
    folder = write(tmp_path, train=lines((CAMERA, SAME, 1), *good), valid=lines((CAMERA, SAME, 0)))
    result = ingest(folder, "pairs", tmp_path / "p.parquet", layout="ditto_pairs")
    assert (result.rows, result.quarantined) == (20, 2)
    assert set(pd.read_csv(tmp_path / "p.quarantine.csv")["reason"]) == {"pair is labelled both 0 and 1"}


def test_of_several_sizes_the_largest_is_read_and_each_can_be_named(tmp_path: Path) -> None:
    for size, rows in (("small", [(CAMERA, SAME, 1)]), ("medium", [(CAMERA, SAME, 1), (CAMERA, OTHER, 0)])):
        (tmp_path / f"train.txt.{size}.gz").write_bytes(gzip.compress(lines(*rows).encode()))
    assert len(ditto.read_lines(tmp_path)) == 2
    assert len(ditto.read_lines(tmp_path, ".small")) == 1


def test_the_same_folder_holds_two_tables_so_the_layout_must_be_named(tmp_path: Path) -> None:
    folder = write(tmp_path, train=lines((CAMERA, SAME, 1)))
    with pytest.raises(UsageError, match="ditto_catalogue or ditto_pairs; say --layout"):
        sources.guess(folder)


@pytest.mark.parametrize("content", ["left\tright\n", "left\tright\t2\n", f"{CAMERA}\n", ""])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"train.txt, line 1: not two records"):
        ditto.read_lines(write(tmp_path, train=content))


def test_a_damaged_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no train.txt"):
        ditto.read_lines(tmp_path)
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(lines((CAMERA, SAME, 1)).encode())[:40])
    with pytest.raises(DataError, match="damaged gzip"):
        ditto.read_lines(tmp_path)


@needs_library
@pytest.mark.parametrize(
    ("name", "pairs", "products"), [("abt_buy", 7602, 2025), ("walmart_amazon", 8189, 6110), ("wdc_shoes", 5683, 2322)]
)
def test_published_sets_keep_all_pairs_but_repeats_and_contradictions(name: str, pairs: int, products: int) -> None:
    folder = Path(LIBRARY) / "product_matching" / name
    assert len(sources.layout("ditto_pairs").read(folder).frame) == pairs
    assert len(sources.layout("ditto_catalogue").read(folder).frame) == products
