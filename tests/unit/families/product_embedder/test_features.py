import math

import numpy as np
import pytest

from vitrina.contracts.products import Product
from vitrina.families.layers.prices import currency_statistics, price_features, price_is_known
from vitrina.families.product_embedder.features import category_features, text_of

EUROS = {"EUR": (math.log(20), 0.5)}


def test_prices_are_standardised_within_their_currency():
    products = [Product("a", price=price, currency="EUR") for price in (10, 40)]
    products += [Product("a", price=price, currency="JPY") for price in (1000, 4000)]
    rows = price_features(products, currency_statistics(products))
    np.testing.assert_allclose(rows[:2], rows[2:], atol=1e-6)
    np.testing.assert_allclose(rows, [[-1, 1], [1, 1], [-1, 1], [1, 1]], atol=1e-6)


@pytest.mark.parametrize(("price", "currency"), [(None, "EUR"), (0.0, "EUR"), (5.0, "XYZ"), (5.0, None)])
def test_a_price_that_says_nothing_is_unknown(price, currency):
    product = Product("a", price=price, currency=currency)
    assert not price_is_known(product, EUROS)
    assert price_features([product], EUROS).tolist() == [[0.0, 0.0]]


def test_a_shop_that_never_states_its_currency_has_prices_all_the_same():
    products = [Product("a", price=price) for price in (5.0, 10.0, 20.0)]
    rows = price_features(products, currency_statistics(products))
    assert rows[:, 1].tolist() == [1, 1, 1]
    assert rows[0, 0] < rows[1, 0] < rows[2, 0]


def test_equal_prices_do_not_divide_by_nothing():
    products = [Product("a", price=9.0, currency="EUR") for _ in range(5)]
    assert np.isfinite(price_features(products, currency_statistics(products))).all()


def test_paths_share_their_upper_levels():
    shirts, shoes, none = category_features(
        [Product("a", category="Clothing > Shirts"), Product("a", category="clothing>Shoes"), Product("a")], 1000
    )
    assert shirts[0] == shoes[0] != 0
    assert shirts[1] != shoes[1]
    assert not none.any()


def test_the_same_leaf_of_another_branch_is_another_category():
    one, other = category_features([Product("a", category=f"{top} > Shirts") for top in ("Men", "Women")], 10_000)
    assert one[1] != other[1]


def test_the_text_names_title_brand_category_and_attributes():
    product = Product("Linen shirt", brand="Lino", category="Clothing > Shirts", attributes={"colour": "white"})
    assert text_of(product) == "Linen shirt. Lino. Clothing Shirts. white"
