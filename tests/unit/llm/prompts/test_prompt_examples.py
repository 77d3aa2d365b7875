from __future__ import annotations

import time

import pandas as pd
import pytest

from vitrina.contracts.products import Product
from vitrina.llm.prompts.examples import ExampleBook
from vitrina.llm.prompts.prompt import built_in
from vitrina.llm.prompts.rendering import render
from vitrina.llm.prompts.variables import ProductFacts


@pytest.fixture(scope="module")
def book(store: pd.DataFrame) -> ExampleBook:
    return ExampleBook.of(store)


def _facts(row: dict[str, object], **changes: object) -> ProductFacts:
    known = {name: row[name] for name in ("title", "product_id", "brand", "category")}
    return ProductFacts(**{**known, "attributes": dict(row["attributes"]), **changes})  # type: ignore[call-overload]


def test_examples_are_of_the_category_and_language_and_never_the_product_itself(
    book: ExampleBook, store: pd.DataFrame
) -> None:
    for row in store[::300].to_dict("records"):
        chosen = book.like(_facts(row), row["language"], 3)

        titles = [example.inputs.product.title for example in chosen]  # type: ignore[attr-defined]
        assert len(set(titles)) == 3
        assert row["title"] not in titles
        for example in chosen:
            assert example.inputs.language == row["language"]
            assert example.inputs.product.category == row["category"]  # type: ignore[attr-defined]
            assert example.inputs.product.description is None  # type: ignore[attr-defined]
        assert chosen == book.like(_facts(row), row["language"], 3)


def test_the_likest_stands_last(book: ExampleBook, store: pd.DataFrame) -> None:
    row = store.iloc[10].to_dict()
    twin = _facts(row, product_id="new", title=row["title"] + " nuevo")

    assert book.like(twin, row["language"], 2)[-1].inputs.product.title == row["title"]  # type: ignore[attr-defined]


def test_a_category_nobody_knows_falls_back_to_the_words(book: ExampleBook, store: pd.DataFrame) -> None:
    row = next(each for each in store.to_dict("records") if each["category"] == "Home > Mugs")

    [example] = book.like(_facts(row, category="Things > Other", product_id="x", title=row["title"] + "."), "en", 1)

    assert example.inputs.product.category == "Home > Mugs"  # type: ignore[attr-defined]


def test_descriptions_that_may_not_be_shown_are_no_examples() -> None:
    good = "This mug of stoneware holds the coffee that you drink in the morning."
    texts = [good, "Short.", good + " It cures all.", good + " <b>Buy</b>", "word " * 200, None]
    book = ExampleBook([Product(f"Mug {'x' * n}", description=text, language="en") for n, text in enumerate(texts)])

    assert len(book) == 1
    assert ExampleBook([]).like(ProductFacts(title="Mug"), "en") == []


def test_choosing_is_quick_and_what_is_chosen_can_be_rendered(book: ExampleBook, store: pd.DataFrame) -> None:
    product = _facts(store.iloc[5].to_dict())
    start = time.process_time()
    for _ in range(10):
        chosen = book.like(product, "es")

    assert (time.process_time() - start) / 10 < 0.2
    messages = render(built_in("describe"), {"product": product.model_dump()}, chosen)
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
