"""E2E NLG as a catalogue."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd

from vitrina.data import sources
from vitrina.data.ingest import ingest
from vitrina.data.sources.e2e_nlg import parse


def test_a_meaning_representation_is_read_slot_by_slot() -> None:
    text = "name[The Vaults], priceRange[more than £30], customer rating[5 out of 5], near[]"
    assert parse(text) == {"name": "The Vaults", "priceRange": "more than £30", "customer rating": "5 out of 5"}


def test_both_files_become_products_that_say_where_they_come_from(tmp_path: Path) -> None:
    folder = tmp_path / "e2e"
    folder.mkdir()
    for name, text in (("train", "Aromi is a pub."), ("devset", "Zizzi is near Rome, so they say.")):
        rows = f'mr,ref\n"name[{text.split()[0]}], eatType[pub]","{text}"\n'
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert sources.guess(folder) == "e2e_nlg"
    ingest(folder, "catalogue", tmp_path / "catalogue.parquet")
    found = pd.read_parquet(tmp_path / "catalogue.parquet")
    assert list(found["product_id"]) == ["train-1", "dev-1"]
    assert list(found["title"]) == ["Aromi", "Zizzi"]
    assert dict(found["attributes"].iloc[0]) == {"eatType": "pub"}
    assert found["description"].iloc[1] == "Zizzi is near Rome, so they say."
