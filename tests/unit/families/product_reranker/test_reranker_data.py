"""Pairs become splits with both products beside each other; what cannot be learned from is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vitrina.errors import DataError
from vitrina.families.product_reranker.data import read_examples
from vitrina.families.product_reranker.reading import read_frame
from vitrina.jobs import prepare

FAMILY = "product_reranker"


def with_pairs(shop: dict[str, Path], folder: Path, **columns: Any) -> dict[str, Path]:
    """The shop with some columns of its pairs changed."""
    path = folder / "changed.parquet"
    pd.read_parquet(shop["pairs"]).assign(**columns).to_parquet(path, index=False)
    return {**shop, "pairs": path}


def test_a_row_holds_both_products_whole(shop: dict[str, Path], prepared: Path) -> None:
    rows = pd.concat(pd.read_parquet(prepared / f"{name}.parquet") for name in ("train", "validation", "test"))
    assert len(rows) == len(pd.read_parquet(shop["pairs"])) == rows["row_id"].nunique()
    row = rows[rows["left_product_id"] == "l3"].iloc[[0]]
    left, right = read_frame(row)[0]
    assert left.product.title == row["left_title"].iloc[0]
    assert left.product.attributes == {"model": "x1021"}
    assert (right.product.currency, right.product.brand, right.product.attributes) == ("EUR", None, {})


def test_pairs_of_one_left_product_stay_together(prepared: Path) -> None:
    titles = [
        set(pd.read_parquet(prepared / f"{name}.parquet")["left_title"]) for name in ("train", "validation", "test")
    ]
    assert all(one.isdisjoint(other) for i, one in enumerate(titles) for other in titles[i + 1 :])


def test_stated_splits_are_kept_and_validation_serves_as_test_where_there_is_none(
    shop: dict[str, Path], tmp_path: Path
) -> None:
    splits = ["train", "train", "validation"] * 60
    shop = with_pairs(shop, tmp_path, split=splits, match=[True, False, True] * 30 + [True, False, False] * 30)
    result = prepare(FAMILY, shop, tmp_path / "out")
    assert result.rows == {"train": 120, "validation": 60, "test": 60}


def test_a_pair_of_an_unknown_product_is_named(shop: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="180 pairs name a product that the catalogue lacks: nobody"):
        prepare(FAMILY, with_pairs(shop, tmp_path, right_id="nobody"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("match", "kind"), [(True, "matches"), (False, "pairs that are no match")])
def test_labels_of_one_kind_are_refused(shop: dict[str, Path], tmp_path: Path, match: bool, kind: str) -> None:
    with pytest.raises(DataError, match=f"The train split holds only {kind}"):
        prepare(FAMILY, with_pairs(shop, tmp_path, match=match), tmp_path / "out")


def test_an_empty_split_is_refused(shop: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The validation split is empty"):
        prepare(FAMILY, with_pairs(shop, tmp_path, split="train"), tmp_path / "out")


def test_a_file_of_labelled_pairs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("left_title,right_title,match,left_price\na,b,1,3\nc,d,False,\n,e,true,\n")
    rows = read_examples(path, "test")
    assert rows["match"].tolist() == [True, False]
    assert rows["row_id"].is_unique
    path.write_text("left_title,right_title,match\na,b,maybe\n")
    with pytest.raises(DataError, match="match is 'maybe'"):
        read_examples(path, "test")
    path.write_text("left_title,right_title\na,b\n")
    with pytest.raises(DataError, match="column match is missing"):
        read_examples(path, "test")
