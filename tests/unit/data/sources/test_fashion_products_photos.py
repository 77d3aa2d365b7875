from __future__ import annotations

import pandas as pd

from vitrina.data.sources import guess, layout


def test_photos_are_read_under_their_products_ids(tmp_path):
    pd.DataFrame({"id": [10001, 10002], "jpeg": [b"a", b"b"]}).to_parquet(tmp_path / "images.parquet")
    reader = layout("fashion_products_photos")
    rows = reader.read(tmp_path).frame
    assert reader.TABLE == "images"
    assert rows["product_id"].tolist() == ["10001", "10002"]
    assert rows["jpeg"].tolist() == [b"a", b"b"]
    assert list(rows.index) == [1, 2]


def test_beside_the_products_the_photos_are_no_guess(tmp_path):
    pd.DataFrame({"id": [1], "jpeg": [b"a"]}).to_parquet(tmp_path / "images.parquet")
    assert guess(tmp_path) == "fashion_products_photos"
    (tmp_path / "products.csv.gz").touch()
    assert guess(tmp_path) == "fashion_products"
