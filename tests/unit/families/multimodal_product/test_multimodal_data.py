from __future__ import annotations

import base64
import json
import random

import numpy as np
import pandas as pd
import pytest

from tests.multimodal_models import photo
from vitrina.contracts.products import Product
from vitrina.errors import DataError
from vitrina.families.layers.product_heads.heads import PRICE_LEVEL, lay_out
from vitrina.families.multimodal_product import data
from vitrina.families.multimodal_product.batches import PHOTO_LENGTH, ProductRows, Reading, collate
from vitrina.families.multimodal_product.configuration import Options
from vitrina.families.multimodal_product.features import category_facts, fact_ids, word_arrays

HEADS = lay_out(
    [
        {"name": "category", "kind": "one", "labels": ["A", "B"]},
        {"name": "attributes.cut", "kind": "one", "labels": ["long", "short"]},
        {"name": PRICE_LEVEL, "kind": "number", "labels": []},
    ]
)


class Words:
    """A tokenizer of two words a text."""

    def __call__(self, texts, **_):
        return {"input_ids": [[5, 6] for _ in texts]}


def frame():
    return pd.DataFrame(
        {
            "title": ["one", "two", None],
            "review": [None, None, "lovely"],
            "brand": ["Acme", None, None],
            "category": ["A", "B", None],
            "price": [10.0, np.nan, np.nan],
            "currency": ["EUR", None, None],
            "attributes": [[("cut", "long")], None, None],
            "image": [photo("boots", "red"), None, None],
        }
    )


def rows(training, **changes):
    options = Options(side=16, channels=(4, 8), **changes)
    return ProductRows(frame(), Reading(options, HEADS, Words(), {"EUR": (2.0, 0.5)}, None), training=training)


def test_a_product_has_its_photo_and_a_review_has_none(multimodal_shop):
    train = data.read_examples(multimodal_shop[0], "train")
    reviews = train["title"].isna()
    assert train.loc[reviews, "image"].isna().all()
    assert train.loc[~reviews, "image"].map(lambda value: isinstance(value, bytes)).mean() > 0.5


def test_a_fact_that_is_given_is_not_asked():
    random.seed(0)
    one = rows(training=True, given=0.5)
    for _ in range(60):
        item = one[0]
        facts = set(item["metadata_ids"])
        told = fact_ids(["category=A"], 4096, 8)[0] in facts, fact_ids(["attribute cut=long"], 4096, 8)[0] in facts
        assert [bool(np.isnan(label)) for label in item["labels"]] == [*told, bool(item["price"][1])]


def test_outside_training_only_the_brand_is_given():
    item = rows(training=False)[0]
    assert item["metadata_ids"] == fact_ids(["brand=Acme"], 4096, 8)
    assert item["price"].tolist() == [0, 0]
    assert not np.isnan(item["labels"]).any()


def test_rows_with_photos_are_repeated_and_batched_together():
    train = rows(training=True, photo_repeats=3)
    assert len(train) == 5
    assert sorted(train.lengths) == [2, 2, *[PHOTO_LENGTH + 2] * 3]
    assert len(rows(training=False, photo_repeats=3)) == 3


def test_one_modality_alone_leaves_out_what_it_cannot_see():
    assert len(rows(training=True, modalities=("photo",))) == 1
    assert rows(training=True, modalities=("photo",))[0]["input_ids"] == []
    assert rows(training=True, modalities=("text",))[0]["image"] is None


def test_a_batch_holds_the_pixels_of_rows_with_a_photo_only():
    whole = rows(training=False)
    batch = collate([whole[number] for number in range(3)])
    assert batch["pixels"].shape == (1, 3, 16, 16)
    assert batch["seen"].tolist() == [1, 0, 0]
    assert "pixels" not in collate([whole[1], whole[2]])


def test_rows_without_words_are_masked():
    arrays = word_arrays([[], [3, 4]])
    assert arrays["attention_mask"].tolist() == [[0, 0], [1, 1]]
    assert word_arrays([[]])["input_ids"].shape == (1, 1)


def test_a_category_is_known_by_each_of_its_levels():
    assert category_facts(Product("", category="A > B")) == ["category=A", "category=A > B"]
    assert category_facts(Product("")) == []


def test_a_file_may_hold_photos_as_base64(tmp_path):
    content = photo("boots", "red")
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"title": "boots", "image": base64.b64encode(content).decode()}) + "\n")
    assert data.read_examples(path, "test")["image"].tolist() == [content]
    path.write_text(json.dumps({"title": "boots", "image": "no!"}) + "\n")
    with pytest.raises(DataError, match="row 1.*base64"):
        data.read_examples(path, "test")
