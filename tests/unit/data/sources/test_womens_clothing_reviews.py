from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data import sources
from vitrina.data.ingest import ingest

ROWS = {
    "row": [0, 1, 2],
    "Clothing ID": [767, 1080, 767],
    "Age": [33, 34, 60],
    "Title": [None, "Nice", "Meh"],
    "Review Text": ["Soft and warm", "It fits", None],
    "Rating": [4, 5, 2],
    "Recommended IND": [1, 1, 0],
}


def test_written_reviews_become_the_reviews_table(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pd.DataFrame(ROWS).to_csv(folder / "reviews.csv.gz", index=False)
    assert sources.guess(folder) == "womens_clothing_reviews"
    ingest(folder, "reviews", tmp_path / "reviews.parquet")
    rows = pd.read_parquet(tmp_path / "reviews.parquet")
    assert rows["text"].tolist() == ["Soft and warm", "It fits"]
    assert rows["product_id"].tolist() == ["767", "1080"]
    assert rows["recommended"].tolist() == [True, True]
    assert rows["rating"].tolist() == [4, 5]


def test_other_reviews_are_not_taken_for_this_set(tmp_path: Path) -> None:
    pd.DataFrame({"stars": [1], "words": ["bad"]}).to_csv(tmp_path / "reviews.csv.gz", index=False)
    assert not sources.layout("womens_clothing_reviews").matches(tmp_path)
