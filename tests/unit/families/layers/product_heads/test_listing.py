import pytest

from vitrina.contracts.products import Product
from vitrina.families.layers.product_heads import listing

GOOD = Product(
    title="Blue cotton shirt for men",
    description="A light shirt for warm days. It is cut wide, washes well at forty degrees and keeps its colour.",
    brand="Acme",
    category="Clothing > Shirts",
    price=19.9,
    currency="EUR",
    attributes={"colour": "blue"},
)


def changed(**values):
    return Product(**({name: getattr(GOOD, name) for name in GOOD.__struct_fields__} | values))


def codes(product, language="en", attributes=None):
    return [one.code for one in listing.suggestions(product, language, attributes or {})]


CASES = {
    "short_title": {"title": "Blue shirt"},
    "long_title": {"title": "word " * 26},
    "capital_letters": {"title": "BLUE COTTON SHIRT FOR MEN"},
    "no_description": {"description": "   "},
    "repeated_title": {"description": "Cotton shirt, blue. For men! " * 5},
    "short_description": {"description": "It is light and warm."},
    "long_sentences": {"description": "and so on " * 20},
    "no_brand": {"brand": None},
    "no_category": {"category": None},
    "no_price": {"price": 0.0},
    "no_currency": {"currency": None},
    "no_attributes": {"attributes": {}},
}


def test_a_good_listing_has_no_suggestions_and_the_full_score():
    assert codes(GOOD) == []
    assert listing.score(GOOD) == 1.0


@pytest.mark.parametrize("code", CASES)
def test_each_flaw_is_named_and_costs_some_score(code):
    product = changed(**CASES[code])
    assert code in codes(product)
    assert listing.score(product) < 1.0


def test_every_check_has_a_case_in_which_it_is_suggested():
    assert {check.code for check in listing.CHECKS} == set(CASES)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("short_title", {"title": "Blue cotton shirt"}),
        ("long_title", {"title": "word " * 25}),
        ("capital_letters", {"title": "LED TV 4K"}),  # an abbreviation is not shouting
        ("repeated_title", {"description": "Blue cotton shirt for men and boys."}),
        ("short_description", {"description": "one two three four five six seven eight nine ten a b c d e"}),
        ("short_description", {"description": None}),  # what is not there is not short
        ("long_sentences", {"description": "One short sentence here. " * 30}),
        ("no_price", {"price": 0.01}),
        ("no_currency", {"price": None, "currency": None}),
    ],
)
def test_a_suggestion_is_not_made_where_it_is_not_true(code, values):
    assert code not in codes(changed(**values))


def test_a_missing_attribute_is_suggested_unless_the_text_names_a_value():
    known = {"colour": ["Blue", "Navy Blue", "Red"], "season": ["Summer", "Winter"]}
    bare = changed(title="Cotton shirt for men", attributes={"material": "cotton"})
    assert codes(bare, attributes=known) == ["no_colour", "no_season"]
    assert codes(changed(title="Navy blue shirt for men", attributes={"season": "Summer"}), attributes=known) == []
    assert codes(changed(title="Cotton shirt for men"), attributes=known) == ["no_season"]  # colour is stated
    assert codes(changed(title="Shirt with a redder tone", attributes={"season": "x"}), attributes=known) == [
        "no_colour"  # a longer word is another word
    ]


def test_suggestions_are_written_in_the_products_language():
    bare = Product(title="Camisa")
    spanish = listing.suggestions(bare, "es-MX", {"colour": ["rojo"], "rareza": ["poca"]})
    assert spanish[0].message == "No hay descripción."
    assert [one.message for one in spanish[-2:]] == ["No se indica: color.", "No se indica: rareza."]
    assert listing.suggestions(bare, "fr", {"colour": []})[-1].message == "No colour given."


def test_following_any_suggestion_never_lowers_the_score():
    poor = changed(title="A B", description=None, brand=None, price=None)
    for better in ({"title": "A b c"}, {"description": GOOD.description}, {"brand": "Acme"}, {"price": 3.0}):
        fixed = Product(**({name: getattr(poor, name) for name in poor.__struct_fields__} | better))
        assert listing.score(fixed) > listing.score(poor)
