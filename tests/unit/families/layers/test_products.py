from __future__ import annotations

import numpy as np
import pandas as pd

from vitrina.contracts.products import Product
from vitrina.families.layers.products import DESCRIPTION_CHARACTERS, product_text, products_of


def test_rows_become_products_and_empty_cells_are_unknown() -> None:
    frame = pd.DataFrame(
        {
            "product_id": ["a", "b"],
            "title": ["Red shoe", "Mug"],
            "description": [None, "Holds coffee."],
            "price": [np.nan, 12],
            "attributes": [[("colour", "red")], None],
            "brand": ["", "Alba"],
        }
    )
    first, second = products_of(frame)
    assert (first.description, first.price, first.brand, first.attributes) == (None, None, None, {"colour": "red"})
    assert (second.price, second.description, second.attributes) == (12.0, "Holds coffee.", {})


def test_a_title_is_enough() -> None:
    assert products_of(pd.DataFrame({"title": ["Mug"]})) == [Product("Mug")]


def test_the_text_of_a_product_holds_what_is_asked_for() -> None:
    product = Product("Red shoe", "Light.", brand="Alba", category="Shoes > Casual", attributes={"season": "Summer"})
    assert product_text(product) == "Red shoe. Alba. Summer. Light."
    assert product_text(product, attributes=False, description=False, category=True) == "Red shoe. Alba. Shoes Casual"


def test_a_brand_that_the_title_names_is_not_repeated() -> None:
    assert product_text(Product("Alba red shoe", brand="alba")) == "Alba red shoe"


def test_a_huge_description_is_cut() -> None:
    text = product_text(Product("Mug", "x" * 100_000))
    assert len(text) == len("Mug. ") + DESCRIPTION_CHARACTERS
