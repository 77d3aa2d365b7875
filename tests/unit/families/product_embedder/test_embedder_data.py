import pandas as pd
import pytest

from vitrina.errors import DataError, UsageError
from vitrina.families.product_embedder import data
from vitrina.families.product_embedder.configuration import Options

OPTIONS = Options(validation_fraction=0.2, test_fraction=0.2)


def catalogue(path, rows=60, **changes):
    frame = pd.DataFrame(
        {
            "product_id": [f"p{n}" for n in range(rows)],
            "title": [f"Shirt {n // 2}" for n in range(rows)],  # every title twice
            "description": None,
            "category": "Clothing",
            "brand": None,
            "price": 5.0,
            "currency": "EUR",
            "attributes": None,
            "language": "en",
        }
    )
    frame.assign(**changes).to_parquet(path / "catalogue.parquet", index=False)
    return path / "catalogue.parquet"


def pairs(path, rows):
    pd.DataFrame(rows, columns=["left_id", "right_id", "match", "split"]).to_parquet(
        path / "pairs.parquet", index=False
    )
    return path / "pairs.parquet"


def prepared(path, pair_rows=None):
    tables = {"catalogue": catalogue(path)}
    if pair_rows is not None:
        tables["pairs"] = pairs(path, pair_rows)
    data.prepare(tables, path, OPTIONS, 7)
    return {name: data.read_examples(path, name) for name in data.SPLITS}


def test_equal_titles_stay_together_and_every_product_has_one_split(tmp_path):
    parts = prepared(tmp_path)
    titles = {name: set(part["title"]) for name, part in parts.items()}
    assert not titles["train"] & titles["test"]
    assert not titles["train"] & titles["validation"]
    assert sum(len(part) for part in parts.values()) == 60
    assert list(parts["train"]["row_id"]) == list(parts["train"]["product_id"])


def test_pairs_decide_where_their_products_go(tmp_path):
    parts = prepared(
        tmp_path,
        [("p0", "p10", True, "train"), ("p20", "p30", True, "test"), ("p20", "p0", False, "test")],
    )
    assert {"p0", "p10"} <= set(parts["train"]["product_id"])
    test = parts["test"].set_index("product_id")
    assert list(test.loc["p20", "matches"]) == ["p30"]
    assert test.loc["p20", "queried"]
    kept = pd.read_parquet(tmp_path / data.PAIRS)
    assert kept.values.tolist() == [["p0", "p10", True, "train"]]


def test_a_match_that_leads_to_a_training_product_can_be_found_but_is_not_asked_for(tmp_path):
    parts = prepared(tmp_path, [("p0", "p10", True, "train"), ("p20", "p10", True, "test")])
    test = parts["test"].set_index("product_id")
    assert not test.loc["p10", "queried"]
    assert "p10" in set(parts["train"]["product_id"])


def test_pairs_without_a_split_follow_their_left_product(tmp_path):
    rows = [(f"p{n}", f"p{(n + 2) % 60}", True, "") for n in range(0, 60, 2)]
    parts = prepared(tmp_path, rows)
    trained = set(parts["train"]["product_id"])
    kept = pd.read_parquet(tmp_path / data.PAIRS)
    assert 0 < len(kept) < len(rows)
    assert set(kept["left_id"]) | set(kept["right_id"]) <= trained


def test_a_pair_of_an_unknown_product_is_refused(tmp_path):
    with pytest.raises(DataError, match="name a product that the catalogue lacks: p999"):
        prepared(tmp_path, [("p0", "p999", True, "train")])


def test_an_empty_catalogue_is_refused(tmp_path):
    with pytest.raises(DataError, match="no product with a title"):
        data.prepare({"catalogue": catalogue(tmp_path, rows=0)}, tmp_path, OPTIONS, 7)


def test_too_few_products_are_refused(tmp_path):
    with pytest.raises(DataError, match="split is empty: more products are needed"):
        data.prepare({"catalogue": catalogue(tmp_path, rows=2)}, tmp_path, OPTIONS, 7)


def test_without_test_share_validation_serves_for_both(tmp_path):
    options = Options(validation_fraction=0.2, test_fraction=0)
    data.prepare({"catalogue": catalogue(tmp_path)}, tmp_path, options, 7)
    assert data.read_examples(tmp_path, "test").equals(data.read_examples(tmp_path, "validation"))


def test_a_file_of_titles_can_be_evaluated(tmp_path):
    (tmp_path / "products.csv").write_text("title,price\nred shirt,5\n,7\nblue shirt,\n")
    examples = data.read_examples(tmp_path / "products.csv", "test")
    assert list(examples["title"]) == ["red shirt", "blue shirt"]
    assert examples["row_id"].is_unique


@pytest.mark.parametrize(
    ("content", "error"), [("name\nx\n", "column title is missing"), ("title,price\n,5\n", "no product")]
)
def test_a_file_without_titles_is_refused(tmp_path, content, error):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=error):
        data.read_examples(tmp_path / "a.csv", "test")


def test_a_missing_split_is_a_clear_mistake(tmp_path):
    with pytest.raises(UsageError, match="not a prepared folder"):
        data.read_examples(tmp_path, "test")
