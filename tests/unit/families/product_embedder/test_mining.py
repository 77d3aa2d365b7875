import numpy as np

from vitrina.contracts.products import Product
from vitrina.families.product_embedder.mining import similar

PRODUCTS = [
    Product("canon eos 500d camera", category="Cameras"),
    Product("canon eos 550d camera", category="Cameras"),
    Product("nikon d90 camera", category="Cameras"),
    Product("linen shirt white", category="Shirts"),
    Product("linen shirt blue", category="Shirts"),
    Product("linen tablecloth"),
]


def test_neighbours_share_words_or_the_category_and_exclude_the_product():
    found = similar(PRODUCTS, 2, seed=0)
    assert len(found) == len(PRODUCTS)
    for number, others in enumerate(found):
        assert number not in others
        assert len(others) <= 2
    assert 1 in found[0] or 2 in found[0]
    assert set(found[5]) <= {3, 4}


def test_an_earlier_model_says_what_is_near():
    vectors = np.eye(6, 3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    found = similar([Product(product.title) for product in PRODUCTS], 1, seed=0, vectors=vectors)
    assert [others.tolist() for others in found] == [[3], [4], [5], [0], [1], [2]]


def test_titles_without_words_have_no_neighbours():
    assert [others.tolist() for others in similar([Product("!"), Product("?")], 2, seed=0)] == [[], []]


def test_a_lone_product_has_no_neighbours():
    assert [others.tolist() for others in similar(PRODUCTS[:1], 4, seed=0)] == [[]]
