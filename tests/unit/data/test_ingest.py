"""Bad input: named, counted, kept; too much of it: refused, nothing written."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
import pytest

from vitrina.contracts import CATALOGUE, INTERACTIONS, MESSAGES
from vitrina.data import tables
from vitrina.data.ingest import ingest
from vitrina.data.tables import read_table
from vitrina.errors import ArtifactError, DataError, UsageError

HEAD = "sku,name,cost,kind,made\n"
MAP = {"product_id": "sku", "title": "name", "price": "cost", "category": "kind", "currency": "=EUR"}


def shop(folder: Path, *rows: str, good: int = 20) -> Path:
    """A shop's file: `good` sound rows, then `rows`."""
    sound = [f"g{number},Shirt {number},19.90,Clothing > Shirts,blue" for number in range(good)]
    path = folder / "products.csv"
    path.write_text(HEAD + "\n".join([*sound, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_shops_columns_are_mapped_typed_and_written(tmp_path: Path) -> None:
    result = ingest(shop(tmp_path), "catalogue", tmp_path / "out" / "c.parquet", mapping=MAP)
    table = read_table(tmp_path / "out" / "c.parquet", CATALOGUE)
    assert (result.rows, result.quarantined, result.quarantine) == (20, 0, None)
    assert result.ignored == ["made"]
    assert table["price"].eq(19.9).all()
    assert table["currency"].eq("EUR").all()
    assert table["language"].eq("und").all()
    assert table["brand"].isna().all()


def test_every_bad_row_is_kept_with_its_number_and_reasons(tmp_path: Path) -> None:
    source = shop(
        tmp_path,
        ",No id,1,A,",  # 21
        "g3,Other shirt,5,A,",  # 22: an id that is taken
        "x1,Cheap,-4,A > ,",  # 23: two faults
        "x2,Text price,free,A,",  # 24
        "x3,too,many,cells,in,here",  # 25
    )
    result = ingest(source, "catalogue", tmp_path / "c.parquet", mapping=MAP)
    bad = pd.read_csv(tmp_path / "c.quarantine.csv", dtype=str).set_index("row")
    assert (result.rows, result.quarantined, result.quarantine) == (20, 5, tmp_path / "c.quarantine.csv")
    assert bad["reason"].to_dict() == {
        "21": "product_id: not empty",
        "22": "the same product_id as row 4",
        "23": "category: a path such as Clothing > Shirts; price: between 0 and 10000000",
        "24": "price: a valid float",
        "25": "6 cells where the heading has 5",
    }
    assert bad.loc["24", "cost"] == "free"
    assert bad.loc["25", "content"] == "x3,too,many,cells,in,here"


def test_one_percent_of_bad_rows_costs_one_percent_of_rows(tmp_path: Path) -> None:
    source = shop(tmp_path, *[f"b{n},Bad,none,A," for n in range(10)], good=990)
    result = ingest(source, "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert (result.rows, result.quarantined) == (990, 10)


def test_more_bad_rows_than_stated_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    source = shop(tmp_path, *[f"b{n},Bad,none,A," for n in range(6)])
    with pytest.raises(DataError, match=r"6 of 26 rows are bad, more than 20%: price: a valid float \(6\)"):
        ingest(source, "catalogue", tmp_path / "out" / "c.parquet", mapping=MAP)
    assert not (tmp_path / "out").exists()
    assert ingest(source, "catalogue", tmp_path / "c.parquet", mapping=MAP, max_bad=0.3).rows == 20


def test_a_file_of_bad_rows_only_is_refused_whatever_the_limit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 2 rows are bad"):
        ingest(
            shop(tmp_path, "a,A,x,A,", "b,B,y,B,", good=0), "catalogue", tmp_path / "c.parquet", mapping=MAP, max_bad=1
        )


def test_a_missing_column_names_those_there_are_and_how_to_map_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks the column product_id, .*it has sku, name.*--map product_id=COLUMN"):
        ingest(shop(tmp_path), "catalogue", tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"title \(mapped to nome\)"):
        ingest(shop(tmp_path), "catalogue", tmp_path / "c.parquet", mapping={**MAP, "title": "nome"})
    with pytest.raises(UsageError, match="catalogue has no column titel"):
        ingest(shop(tmp_path), "catalogue", tmp_path / "c.parquet", mapping={"titel": "name"})


def test_bytes_that_are_not_utf8_cost_their_row_and_a_wrong_encoding_is_suggested(tmp_path: Path) -> None:
    source = shop(tmp_path)
    source.write_bytes(source.read_bytes() + "ñ1,Añil,3,A,\n".encode("cp1252"))
    result = ingest(source, "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert result.quarantined == 1
    assert "valid text" in pd.read_csv(result.quarantine)["reason"][0]
    source.write_bytes((HEAD + "1,Añil,3,A,\n").encode("cp1252"))
    with pytest.raises(DataError, match="name its --encoding"):
        ingest(source, "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert ingest(source, "catalogue", tmp_path / "c.parquet", mapping=MAP, encoding="cp1252").rows == 1


@pytest.mark.parametrize("content", ["", HEAD, "\n\n"])
def test_an_empty_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text(content)
    with pytest.raises(DataError, match="is empty|has no rows"):
        ingest(tmp_path / "empty.csv", "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert not (tmp_path / "c.parquet").exists()


def test_rows_that_repeat_another_entirely_are_set_aside_but_not_counted_as_bad(tmp_path: Path) -> None:
    event = '{"user_id": "u1", "product_id": "p1", "event": "view", "timestamp": "2025-01-01"}\n'
    (tmp_path / "log.jsonl").write_text(event * 10)
    result = ingest(tmp_path / "log.jsonl", "interactions", tmp_path / "i.parquet")
    assert (result.rows, result.quarantined) == (1, 9)
    assert len(read_table(tmp_path / "i.parquet", INTERACTIONS)) == 1


def test_messages_may_repeat_and_odd_texts_survive_or_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["hola", "hola", "😀", "x" * 1_000_000, "", None, 5], "intent": "greeting"}).to_json(
        tmp_path / "m.jsonl", orient="records", lines=True
    )
    result = ingest(tmp_path / "m.jsonl", "messages", tmp_path / "m.parquet", max_bad=0.5)
    table = read_table(tmp_path / "m.parquet", MESSAGES)
    assert table["text"].tolist() == ["hola", "hola", "😀", "5"]
    assert table["split"].eq("").all()
    assert result.quarantined == 3


def test_a_rating_must_be_one_to_five_and_a_view_need_not(tmp_path: Path) -> None:
    rows = [f"u{n},p1,{event},{value},2025-01-0{n}" for n, (event, value) in enumerate(
        [("rating", 5), ("rating", 6), ("purchase", 60), ("view", "")], start=1)]  # fmt: skip
    (tmp_path / "i.csv").write_text("user_id,product_id,event,value,timestamp\n" + "\n".join(rows))
    ingest(tmp_path / "i.csv", "interactions", tmp_path / "i.parquet", max_bad=0.5)
    assert read_table(tmp_path / "i.parquet", INTERACTIONS)["user_id"].tolist() == ["u1", "u3", "u4"]


def test_quarantine_can_be_parquet_elsewhere_and_own_columns_named_row_survive(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("row,text,intent\nseven,,a\neight,hi,a\nnine,ho,a\n")
    ingest(
        tmp_path / "m.csv", "messages", tmp_path / "m.parquet", quarantine=tmp_path / "q" / "bad.parquet", max_bad=0.4
    )
    bad = pd.read_parquet(tmp_path / "q" / "bad.parquet")
    assert bad[["row", "row (source)"]].values.tolist() == [[1, "seven"]]
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        ingest(tmp_path / "m.csv", "messages", tmp_path / "m.parquet", quarantine=tmp_path / "bad.txt")


def test_a_clean_run_removes_the_quarantine_of_an_earlier_one(tmp_path: Path) -> None:
    ingest(shop(tmp_path, "b,Bad,none,A,"), "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert (tmp_path / "c.quarantine.csv").exists()
    ingest(shop(tmp_path), "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert not (tmp_path / "c.quarantine.csv").exists()


def test_a_full_disk_leaves_the_old_table_and_no_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(shop(tmp_path), "catalogue", tmp_path / "c.parquet", mapping=MAP)
    before = (tmp_path / "c.parquet").read_bytes()
    written = itertools.count()

    def full(*_: object, **__: object) -> None:
        next(written)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.pq, "write_table", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        ingest(shop(tmp_path, good=5), "catalogue", tmp_path / "c.parquet", mapping=MAP)
    assert next(written) == 1
    assert (tmp_path / "c.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.parquet", "products.csv"]
