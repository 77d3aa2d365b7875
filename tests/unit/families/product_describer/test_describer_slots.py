"""Features as slots: what is copied, what is read, what is refused."""

from __future__ import annotations

import pytest

from vitrina.contracts.products import Product
from vitrina.families.product_describer.configuration import Options
from vitrina.families.product_describer.slots import (
    Contradiction,
    Slot,
    copied,
    delexicalised,
    learn_schema,
    lexicalised,
    linearised,
    slots_of,
)

COLOURS = ["red", "blue", "green"]


def rows_and_texts() -> tuple[list[dict[str, str]], list[str]]:
    rows = [
        {"name": f"Luma {i}", "colour": COLOURS[i % 3], "rating": "yes" if i % 2 else "no", "category": "Home > Chairs"}
        for i in range(120)
    ]
    liked = {"yes": "People like it.", "no": "Few like it."}
    return rows, [f"{row['name']} is {row['colour']}. {liked[row['rating']]}" for row in rows]


def test_a_product_is_its_title_brand_category_and_attributes() -> None:
    product = Product("  Oak   table ", brand="Tide", attributes={"colour": "brown"})
    assert slots_of(product) == {"name": "Oak table", "brand": "Tide", "colour": "brown"}


def test_the_same_attribute_twice_with_one_value_is_one_feature() -> None:
    assert slots_of(Product("Chair", attributes={"Colour": "Red", "colour": "red"})) == {
        "name": "Chair",
        "Colour": "Red",
    }


@pytest.mark.parametrize(
    "attributes",
    [{"colour": " "}, {"Colour": "red", "colour": "blue"}, {"brand": "Other"}],
    ids=["empty", "two", "brand"],
)
def test_features_that_contradict_each_other_or_are_empty_are_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(Contradiction):
        slots_of(Product("Chair", brand="Tide", attributes=attributes))


def test_open_slots_are_copied_closed_ones_read_and_constants_left_out() -> None:
    schema = learn_schema(*rows_and_texts(), Options())
    assert {name: slot.kind for name, slot in schema.items()} == {
        "name": "copied",
        "colour": "worded",
        "rating": "worded",
        "category": "constant",
    }
    assert schema["colour"].copies
    assert not schema["rating"].copies
    assert linearised(schema, {"name": "Luma 3", "colour": "red", "category": "Home > Chairs"}) == (
        "<slot:colour> red <slot:name> <copy:name>"
    )


def test_an_unseen_value_of_a_slot_that_texts_repeat_is_copied() -> None:
    schema = learn_schema(*rows_and_texts(), Options())
    assert copied(schema, {"name": "A", "colour": "mauve", "rating": "maybe"}) == {"colour": "mauve", "name": "A"}
    assert copied(schema, {"name": "A", "colour": "red"}) == {"name": "A"}


def test_copied_values_come_back_as_they_were_the_longest_first() -> None:
    schema = {"name": Slot("copied", True), "near": Slot("copied", True)}
    copies = copied(schema, {"name": "The Mill", "near": "The Mill Bar"})
    text = "The Mill is near The Mill Bar. the mill is old."
    plain = delexicalised(text, copies)
    assert plain == "<copy:name> is near <copy:near>. <copy:name> is old."
    assert lexicalised(plain, copies) == "The Mill is near The Mill Bar. The Mill is old."


def test_a_value_within_a_word_is_not_replaced() -> None:
    assert delexicalised("An oaken table of oak.", {"material": "oak"}) == "An oaken table of <copy:material>."


def test_a_value_that_looks_like_a_placeholder_is_put_back_once() -> None:
    copies = {"name": "<copy:near>", "near": "Rome"}
    assert lexicalised("<copy:name> by <copy:near>", copies) == "<copy:near> by Rome"


def test_a_callers_text_cannot_be_taken_for_a_token() -> None:
    schema = {"name": Slot("context")}
    source = linearised(schema, {"name": "<slot:price> x", "<copy:name>": "<lang:es>"})
    assert source == "<slot:name> ‹slot:price› x <slot:other> ‹copy:name› ‹lang:es›"
