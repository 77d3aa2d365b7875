import random

import pytest
import torch

from vitrina.contracts.products import Product
from vitrina.families.layers.prices import currency_statistics
from vitrina.families.product_embedder.configuration import Options
from vitrina.families.product_embedder.views import Collator, EvaluationPairs, Features, TrainingPairs, thinned
from vitrina.text.encoders import load_tokenizer
from vitrina.text.ngrams import NgramHasher

PRODUCTS = [
    Product(
        f"{maker} {colour} {kind}",
        category=f"Clothing > {kind}",
        attributes={"colour": colour},
        price=float(10 + n),
        currency="EUR",
        description=f"a fine {kind} for every day of the week and more",
    )
    for n, (maker, colour, kind) in enumerate(
        (maker, colour, kind)
        for maker in ("Acme", "Brio")
        for colour in ("red", "blue")
        for kind in ("shirt", "sock", "hat")
    )
]
SIMILAR = [[(n + 1) % len(PRODUCTS)] for n in range(len(PRODUCTS))]


def pairs(options=None, judged=()):
    return TrainingPairs(PRODUCTS, SIMILAR, judged, options or Options())


def collator(tiny_encoder):
    options = Options(encoder=str(tiny_encoder))
    hasher = NgramHasher(options.lexical_buckets)
    return Collator(Features(load_tokenizer(str(tiny_encoder)), hasher, currency_statistics(PRODUCTS), options))


def test_a_row_is_a_product_and_one_taken_for_it():
    found = pairs()[3]
    assert [pair.number for pair in found] == [3, 4]


def test_every_query_accepts_its_own_product():
    rows = pairs()
    for seed in range(20):
        random.seed(seed)
        for index in range(len(rows)):
            assert all(pair.accepts(pair.number) is True for pair in rows[index])


def test_title_queries_know_equal_titles_and_ambiguous_words():
    rows = TrainingPairs(
        [Product("red shirt"), Product("Red  Shirt"), Product("red shirt large"), Product("blue hat")],
        [[], [], [], []],
        (),
        Options(),
    )
    accepts = rows._like(0, frozenset({"red"}))
    assert [accepts(number) for number in range(4)] == [True, True, None, False]


def test_matched_products_ask_for_each_other_and_meet_what_they_are_not():
    rows = pairs(judged=[(0, 6, True), (0, 1, False)])
    assert len(rows) == 2 * len(PRODUCTS)  # twelve products, and six times the match in both directions
    there, back = rows[len(PRODUCTS)], rows[len(PRODUCTS) + 1]
    assert there[0].number == 6
    assert there[0].accepts(6) is True
    assert there[0].accepts(1) is False
    assert there[1].number == 1
    assert back[0].number == 0


def test_thinned_products_keep_their_title_and_lose_the_rest_now_and_then():
    shown = [thinned(PRODUCTS[0], random.Random(n), 0.8) for n in range(200)]
    assert {product.title for product in shown} == {PRODUCTS[0].title}
    assert {product.price is None for product in shown} == {True, False}
    assert {product.category is None for product in shown} == {True, False}
    assert sum(product == Product(PRODUCTS[0].title) for product in shown) > 60
    assert thinned(PRODUCTS[0], random.Random(0), 0.0) == PRODUCTS[0]


def test_a_batch_holds_queries_then_products_and_who_answers_whom(tiny_encoder):
    rows = pairs(Options(attribute_queries=1.0))
    random.seed(1)
    batch = collator(tiny_encoder)([rows[0], rows[6]])
    assert batch["input_ids"].shape[0] == 8
    assert batch["labels"].shape == (4, 4)
    assert (batch["labels"].diagonal() == 1).all()
    assert set(batch["labels"].flatten().tolist()) <= {-1, 0, 1}
    assert not batch["price"][:4].any()  # a query has no price
    assert not batch["category_ids"][:4].any()


def test_the_same_random_numbers_give_the_same_batch(tiny_encoder):
    rows, collate = pairs(), collator(tiny_encoder)
    batches = []
    for _ in range(2):
        random.seed(5)
        batches.append(collate([rows[n] for n in range(4)]))
    for name in batches[0]:
        torch.testing.assert_close(batches[0][name], batches[1][name])


@pytest.mark.parametrize(("queries", "length"), [(3, 12), (20, 20)])
def test_evaluation_goes_through_every_query_and_every_product(queries, length):
    rows = EvaluationPairs(PRODUCTS, [Product(f"q{n}") for n in range(queries)], [{n % 12} for n in range(queries)])
    assert len(rows) == length
    each = [rows[n][0] for n in range(length)]
    assert {pair.number for pair in each} == set(range(12))
    assert {pair.query.title for pair in each} == {f"q{n}" for n in range(queries)}
    assert each[1].accepts(1) is True
    assert each[1].accepts(2) is False
