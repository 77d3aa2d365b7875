"""Women's e-commerce clothing reviews (N. Brooks, Kaggle): text, rating, and whether the product is recommended."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows, files

TABLE = "reviews"
FILE = "reviews.csv.gz"
COLUMNS = {
    "row": "review_id",
    "Clothing ID": "product_id",
    "Rating": "rating",
    "Title": "title",
    "Review Text": "text",
    "Recommended IND": "recommended",
}


def matches(folder: Path) -> bool:
    """Whether the set's one file lies in `folder`; its columns tell it from other reviews."""
    return (folder / FILE).is_file() and set(COLUMNS) <= set(files.read(folder / FILE).frame.columns)


def read(folder: Path) -> RawRows:
    """The reviews that have a text; 3.6% only have stars. Ages, departments and votes are left out."""
    rows = files.read(folder / FILE).frame
    written = rows[rows["Review Text"].notna()]
    return RawRows(written[list(COLUMNS)].rename(columns=COLUMNS))
