"""Published sets of who had what become interactions and catalogues; their ids say nothing about order."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from vitrina.data import sources
from vitrina.data.ingest import ingest
from vitrina.data.sources.sequences import product_id
from vitrina.errors import DataError, UsageError

LIBRARY = os.environ.get("VITRINA_DATA", "")
needs_library = pytest.mark.skipif(not LIBRARY, reason="VITRINA_DATA names no folder of published sets")


def compressed(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def both(folder: Path, layout: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Interactions and catalogue as ingest writes them beside the folder."""
    tables = {"interactions": layout, "catalogue": f"{layout}_catalogue"}
    for table, name in tables.items():
        ingest(folder, table, folder.parent / f"{table}.parquet", layout=name)
    events, products = (pd.read_parquet(folder.parent / f"{table}.parquet") for table in tables)
    assert set(events["product_id"]) == set(products["product_id"])
    return events, products


def test_gowalla_lines_become_views_in_the_order_of_the_line(tmp_path: Path) -> None:
    compressed(tmp_path / "gowalla" / "train.txt.gz", "0 0 1 2\n1 2 0\n2\n")
    events, _ = both(tmp_path / "gowalla", "gowalla")
    mine = events[events["user_id"] == "0"].sort_values("timestamp")
    assert mine["product_id"].tolist() == [product_id("gowalla", item) for item in "012"]
    assert set(events["event"]) == {"view"}
    assert set(events["user_id"]) == {"0", "1"}


def test_ids_do_not_tell_the_order_of_first_appearance() -> None:
    ids = [product_id("set", str(number)) for number in range(500)]
    ranks = pd.Series(ids).rank()
    assert len(set(ids)) == 500
    assert abs(ranks.corr(pd.Series(range(500)))) < 0.15
    assert product_id("other", "1") != ids[1]


def test_test_rows_of_lastfm_are_later_than_training_rows(tmp_path: Path) -> None:
    compressed(tmp_path / "set" / "data1.txt.gz", "1\t7\t993\n2\t8\t5\n")
    compressed(tmp_path / "set" / "test1.txt.gz", "1\t9\t57\n")
    events, _ = both(tmp_path / "set", "lastfm_hetrec")
    late = events["timestamp"] >= "2011-01-01"
    assert set(events.loc[late, "product_id"]) == {product_id("lastfm_hetrec", "9")}
    # 993, 5 and 57 plays: one view, and one more for each doubling.
    counts = events.groupby("product_id").size()
    assert [counts[product_id("lastfm_hetrec", item)] for item in "789"] == [10, 3, 6]
    assert sources.layout("lastfm_hetrec").matches(tmp_path / "set")


def test_amazon_sequences_are_purchases_and_their_attributes_go_to_the_catalogue(tmp_path: Path) -> None:
    folder = tmp_path / "amazon_beauty_seq"
    compressed(folder / "Beauty.txt.gz", "1 1 2\n2 2 3\n")
    compressed(folder / "item2attributes.json.gz", json.dumps({"1": [4, 9], "3": []}))
    events, products = both(folder, "amazon_sequences")
    assert len(events) == 4
    assert set(events["event"]) == {"purchase"}
    attributes = products.set_index("product_id")["attributes"]
    assert dict(attributes[product_id(folder.name, "1")]) == {"attribute_4": "yes", "attribute_9": "yes"}
    assert not attributes[product_id(folder.name, "2")]
    compressed(folder / "Second.txt.gz", "1 1\n")
    with pytest.raises(DataError, match="one .txt.gz of sequences, it has 2"):
        ingest(folder, "interactions", tmp_path / "x.parquet", layout="amazon_sequences")


def test_a_folder_that_could_be_two_tables_asks_which(tmp_path: Path) -> None:
    compressed(tmp_path / "gowalla" / "train.txt.gz", "0 0 1\n")
    with pytest.raises(UsageError, match="gowalla or gowalla_catalogue"):
        sources.guess(tmp_path / "gowalla")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"train\.txt\.gz cannot be read"):
        ingest(tmp_path, "interactions", tmp_path / "x.parquet", layout="gowalla")


@needs_library
@pytest.mark.parametrize(
    ("name", "layout", "events", "products"),
    [
        ("lastfm_hetrec", "lastfm_hetrec", 442_039, 4_489),
        ("amazon_beauty_seq", "amazon_sequences", 198_502, 12_101),
        ("amazon_toys_seq", "amazon_sequences", 148_185, 11_924),
    ],
)
def test_the_published_sets_keep_their_size(name: str, layout: str, events: int, products: int, tmp_path: Path) -> None:
    found = ingest(Path(LIBRARY) / name, "interactions", tmp_path / "i.parquet", layout=layout)
    assert (found.rows, found.quarantined) == (events, 0)
    assert (
        ingest(Path(LIBRARY) / name, "catalogue", tmp_path / "c.parquet", layout=f"{layout}_catalogue").rows == products
    )
