import json

import numpy as np
import pandas as pd
import pytest

from vitrina.errors import DataError, UsageError
from vitrina.families.layers.product_heads import targets
from vitrina.families.layers.product_heads.heads import lay_out
from vitrina.families.layers.product_heads.rows import SPLITS
from vitrina.families.product_classifier import data
from vitrina.families.product_classifier.configuration import Options
from vitrina.jobs import prepare


def catalogue(folder, **changes):
    rows = {"product_id": [f"p{n}" for n in range(60)], "title": [f"item {n}" for n in range(60)], "language": "en"}
    path = folder / "catalogue.parquet"
    pd.DataFrame(rows | changes).to_parquet(path, index=False)
    return {"catalogue": path}


def test_a_row_keeps_its_labels_and_unlabelled_products_are_left_out(tmp_path):
    kinds = ["A>B", "A > C", None] * 20
    data.prepare(catalogue(tmp_path, category=kinds), tmp_path, Options(), seed=7)
    rows = pd.concat([data.read_examples(tmp_path, split) for split in SPLITS])
    assert len(rows) == 40
    assert set(rows["category"]) == {"A > B", "A > C"}  # one spelling of the separator
    assert rows["row_id"].is_unique


def test_products_with_equal_titles_stay_together(tmp_path):
    titles = [f"item {n % 20}" if n % 2 else f"ITEM  {n % 20}" for n in range(60)]
    data.prepare(catalogue(tmp_path, title=titles, category=["A", "B"] * 30), tmp_path, Options(), seed=7)
    parts = [
        set(data.read_examples(tmp_path, split)["title"].str.lower().str.split().str.join(" ")) for split in SPLITS
    ]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]


def test_without_a_share_for_testing_validation_serves_for_both(tmp_path):
    data.prepare(catalogue(tmp_path, category=["A", "B"] * 30), tmp_path, Options(test_fraction=0), seed=7)
    test, validation = (list(data.read_examples(tmp_path, split)["row_id"]) for split in ("test", "validation"))
    assert test == validation


@pytest.mark.parametrize(
    ("category", "message"),
    [(["A"] * 60, "two or more values"), ([None] * 60, "split is empty")],
)
def test_labels_that_teach_nothing_are_refused(tmp_path, category, message):
    with pytest.raises(DataError, match=message):
        data.prepare(catalogue(tmp_path, category=pd.Series(category, dtype=object)), tmp_path, Options(), seed=7)


def test_a_catalogue_or_reviews_are_needed(tmp_path):
    with pytest.raises(UsageError, match="needs a catalogue, reviews or both"):
        data.prepare({}, tmp_path, Options(), seed=7)


def test_reviews_alone_are_enough(shop, tmp_path):
    data.prepare({"reviews": shop["reviews"]}, tmp_path, Options(), seed=7)
    heads = targets.choose_heads(data.read_examples(tmp_path, "train"), Options())
    assert [head.name for head in heads] == ["recommended", "rating"]


def test_few_reviews_count_less_than_many():
    reviews = pd.DataFrame({"product_id": ["a"] + ["b"] * 20 + ["c"] * 20, "rating": [5] + [5] * 20 + [1] * 20})
    quality = targets.shrunken_ratings(reviews)
    mean = reviews["rating"].mean()
    assert quality["a"] == pytest.approx(((5 + 5 * mean) / 6 - 1) / 4)
    assert quality["c"] < quality["a"] < quality["b"] < 1


def test_common_attributes_become_heads_and_separators_make_several_values():
    stated = [[("colour", "red" if n % 2 else "blue"), ("tags", "soft|warm" if n % 3 else "soft")] for n in range(30)]
    stated = [
        one + ([("rare", str(n))] if n < 3 else []) + [("same", "x"), ("id", str(n))] for n, one in enumerate(stated)
    ]
    frame = pd.DataFrame({"title": ["t"] * 30, "attributes": stated})
    found = {head.attribute: head.kind for head in targets.choose_heads(frame, Options(maximum_values=20))}
    assert found == {"colour": "one", "tags": "many"}
    named = targets.choose_heads(frame, Options(attributes=["rare"], multi_label=[]))
    assert [(head.name, head.labels) for head in named] == [("attributes.rare", ("0", "1", "2"))]


def test_missing_and_unseen_labels_are_unknown():
    heads = lay_out(
        [
            {"name": "category", "kind": "one", "labels": ["a", "b"]},
            {"name": "attributes.tags", "kind": "many", "labels": ["soft", "warm"]},
            {"name": "rating", "kind": "ordinal", "labels": ["1", "2", "3", "4", "5"]},
        ]
    )
    frame = pd.DataFrame(
        {
            "title": ["x"] * 3,
            "category": ["b", "never seen", None],
            "attributes": [{"tags": "warm"}, None, {"tags": "soft | warm"}],
            "rating": [np.nan, 4.0, np.nan],
        }
    )
    nan = np.nan
    expected = [[1, 0, 1, nan], [nan, nan, nan, 3], [nan, 1, 1, nan]]
    np.testing.assert_array_equal(targets.label_matrix(frame, heads, "|"), np.array(expected, dtype=np.float32))


def test_the_text_is_the_product_or_the_review_and_no_label_of_it():
    frame = pd.DataFrame(
        {
            "title": ["Red shirt", None],
            "category": ["Secret", None],
            "attributes": [{"colour": "hidden"}, None],
            "review": [None, "so soft"],
        }
    )
    assert targets.texts_of(frame) == ["Red shirt", "so soft"]


def test_examples_are_read_from_a_file(tmp_path):
    path = tmp_path / "rows.csv"
    row = {"title": "Red shirt", "category": "A", "attributes": json.dumps({"colour": "red"}), "price": "9.5"}
    pd.DataFrame([row, row | {"attributes": ""}]).to_csv(path, index=False)
    rows = data.read_examples(path, "test")
    assert rows["attributes"].tolist() == [{"colour": "red"}, None]
    assert rows["price"].tolist() == [9.5, 9.5]
    assert rows["row_id"].is_unique
    path.write_text("name\nx\n")
    with pytest.raises(DataError, match="title is missing"):
        data.read_examples(path, "test")
    path.write_text('title,attributes\nx,"{broken"\n')
    with pytest.raises(DataError, match="not a JSON mapping"):
        data.read_examples(path, "test")
    with pytest.raises(UsageError, match="does not exist"):
        data.read_examples(tmp_path / "none.csv", "test")


def test_the_canonical_tables_are_examples_too(shop):
    reviews = data.read_examples(shop["reviews"], "test")
    assert {"review", "rating", "recommended", "row_id", "title"} <= set(reviews)
    assert reviews["title"].isna().all()  # of a product; the review's own stands in its text
    products = data.read_examples(shop["catalogue"], "test")
    assert products["category"].nunique() == 4
    assert products["row_id"].tolist() == products["product_id"].tolist()


def test_an_optional_table_that_is_given_must_exist(shop, tmp_path):
    tables = {"catalogue": shop["catalogue"], "reviews": tmp_path / "none.parquet"}
    with pytest.raises(UsageError, match="none.parquet does not exist"):
        prepare("product_classifier", tables, tmp_path / "data", preset="smoke")
