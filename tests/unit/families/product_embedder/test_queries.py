import random

import pytest

from vitrina.contracts.products import Product
from vitrina.families.product_embedder.queries import (
    AttributeQuery,
    attribute_query,
    damaged,
    facets,
    mistyped,
)

HEELS = Product(
    "Catwalk heels",
    category="Footwear > Shoes > Heels",
    attributes={"gender": "Women", "colour": "Black"},
    language="en",
)
BOOTS = Product("Botas", category="Calzado > Botas", attributes={"gender": "mujer", "material": "piel"}, language="es")


def texts(product, draws=300):
    queries = (attribute_query(product, ["gender", "colour", "material"], random.Random(n)) for n in range(draws))
    return {query.text for query in queries if query}


def test_people_type_lists_and_phrases():
    found = texts(HEELS)
    assert "women black heels" in found
    assert "black heels for women" in found


def test_spanish_products_are_asked_for_in_spanish():
    found = texts(BOOTS)
    assert {"botas mujer de piel", "botas piel para mujer"} & found
    assert not any(" for " in text for text in found)


def test_every_query_is_answered_by_its_own_product():
    for n in range(100):
        query = attribute_query(HEELS, ["gender", "colour"], random.Random(n))
        assert query is not None
        assert query.accepts(HEELS) is True


def test_a_product_without_attributes_gives_no_query():
    assert attribute_query(Product("a", category="b"), ["gender"], random.Random(0)) is None


@pytest.mark.parametrize(
    ("attributes", "category", "expected"),
    [
        ({"gender": "Women", "colour": "Black"}, "Footwear > Shoes > Heels > High", True),
        ({"gender": "Women", "colour": "Red"}, "Footwear > Shoes > Heels", False),
        ({"gender": "Women"}, "Footwear > Shoes > Heels", None),
        ({"gender": "Women", "colour": "Black"}, None, None),
        ({"gender": "Women", "colour": "Black"}, "Footwear > Shoes > Heelsy", False),
        ({"colour": "Red"}, None, False),
    ],
)
def test_known_differences_deny_and_gaps_leave_it_open(attributes, category, expected):
    query = AttributeQuery("…", (("gender", "Women"), ("colour", "Black")), "Footwear > Shoes > Heels")
    assert query.accepts(Product("a", category=category, attributes=attributes)) is expected


def test_facets_are_words_that_repeat():
    products = [
        Product("a", attributes={"colour": ("red", "blue")[n % 2], "year": str(2010 + n % 3), "model": f"x{n}"})
        for n in range(30)
    ]
    assert facets(products) == ("colour",)


def test_a_damaged_title_lacks_words_and_keeps_one():
    title = "one two three four five six seven eight nine ten"
    assert len(damaged(title, random.Random(0)).split()) == 7
    assert damaged("shirt", random.Random(0), typos=0) == "shirt"
    assert damaged("", random.Random(0)) == ""


def test_without_damage_a_title_stays():
    assert damaged("Nike men shoes", random.Random(3), dropped=0, typos=0) == "Nike men shoes"


def test_a_typo_is_one_edit():
    for n in range(200):
        wrong = mistyped("sandals", random.Random(n))
        assert 6 <= len(wrong) <= 8
        if len(wrong) == 7:
            assert sum(a != b for a, b in zip(wrong, "sandals", strict=True)) <= 2
