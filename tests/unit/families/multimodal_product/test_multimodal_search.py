"""Products are found by words and by photos in one index."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.multimodal_models import KINDS, photo, shop_tables
from vitrina.contracts import TABLES
from vitrina.data.tables import write_table
from vitrina.errors import DataError, UsageError
from vitrina.jobs import index_add, index_build, index_search


@pytest.fixture(scope="module")
def searched(multimodal_shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    tables = shop_tables(folder)
    index = str(folder / "index")
    index_build(str(multimodal_shop[1]), tables["catalogue"], index, images=tables["images"])
    return index, str(multimodal_shop[1]), tables


def kinds(result):
    return [hit["category"] for hit in result.hits]


def test_a_photo_finds_products_that_look_like_it(searched, tmp_path):
    index, model, _ = searched
    picture = tmp_path / "seen.jpg"
    picture.write_bytes(photo("boots", "green"))
    found = kinds(index_search(index, "", model=model, image=picture, k=10))
    assert found.count(KINDS["boots"]) >= 8


def test_words_find_products_whose_photo_alone_tells_what_they_are(searched):
    index, model, tables = searched
    titles = pd.read_parquet(tables["catalogue"]).set_index("product_id")["title"]
    hits = index_search(index, "nice boots", model=model, mode="vector", k=120).hits
    right = [hit for hit in hits if hit["category"] == KINDS["boots"]]
    assert len(right) / len(hits) > 0.8
    assert any("thing" in titles[hit["product_id"]] for hit in right)


def test_added_products_bring_their_photos(searched, multimodal_shop, tmp_path):
    index, model, tables = searched
    rows = pd.read_parquet(tables["catalogue"]).head(1).assign(product_id="new", title="thing")
    write_table(rows, TABLES["catalogue"], tmp_path / "more.parquet")
    pictures = pd.DataFrame(
        [("n", "new", photo("trousers", "red"), 48, 48)], columns=["image_id", "product_id", "jpeg", "width", "height"]
    )
    write_table(pictures, TABLES["images"], tmp_path / "pictures.parquet")
    assert index_add(index, model, tmp_path / "more.parquet", images=tmp_path / "pictures.parquet").added == 1


def test_what_cannot_be_searched_is_refused_in_a_sentence(searched, tmp_path):
    index, model, tables = searched
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    for error, given in (
        (DataError, {"image": broken}),
        (UsageError, {"image": tmp_path / "missing.jpg"}),
        (UsageError, {}),
        (UsageError, {"image": broken, "mode": "lexical"}),
    ):
        with pytest.raises(error, match=r"\.$"):
            index_search(index, "", model=model, **given)
    with pytest.raises(UsageError, match="do not exist"):
        index_build(model, tables["catalogue"], index, images=Path("nowhere.parquet"))


def test_a_model_that_reads_no_photos_takes_no_images(searched, embedder_folder, tmp_path):
    _, _, tables = searched
    with pytest.raises(UsageError, match="does not read photos"):
        index_build(str(embedder_folder), tables["catalogue"], str(tmp_path / "index"), images=tables["images"])
