"""What every engine does, tested on each of them: a folder, and a real PostgreSQL server with pgvector."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from search_support import DIMENSION, Shop, build, exact

from vitrina.errors import ArtifactError, DataError, UsageError
from vitrina.search import Entries, Filters, build_index, open_index


def ids(hits):
    return [hit.product_id for hit in hits]


def test_what_was_built_is_found_by_vector_in_the_order_of_exact_search(location, shop: Shop, query):
    products = shop.entries(range(300))
    facts = build(location, products)
    assert (facts.model, facts.version, facts.dimension, facts.rows) == ("toy", "v1", DIMENSION, 300)
    index = open_index(location, version="v1")
    assert index.facts == facts
    assert ids(index.search(vector=query, k=10)) == exact(products, query, 10)
    (best,) = index.search(vector=products.vectors[46] * 5, k=1)
    assert (best.product_id, best.title, best.category) == ("p46", "blue polo model 46", "Clothing > Shirts > Polo")
    assert (best.price, best.currency, best.language) == (56.0, "EUR", "en")
    assert best.score == pytest.approx(1, abs=2e-3)


def test_a_misspelt_query_finds_the_product_by_its_letters(location, shop: Shop):
    build(location, shop.entries(range(300)))
    index = open_index(location)
    assert ids(index.search("blue pollo modle 46", k=1)) == ["p46"]
    assert index.search("zzzz qqqq", k=5) == []


def test_hybrid_search_ranks_what_both_sides_like_first(location, shop: Shop):
    products = shop.entries(range(300))
    build(location, products)
    index = open_index(location)
    near_46_and_91 = products.vectors[46] + products.vectors[91]
    assert ids(index.search(shop.title(91), near_46_and_91, k=1)) == ["p91"]
    assert ids(index.search(shop.title(46), near_46_and_91, k=1, mode="hybrid")) == ["p46"]


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(category="clothing > SHIRTS"), lambda n: n % 7 and n % 3 in (0, 1)),
        (Filters(category="Clothing > Shirts > Polo"), lambda n: n % 7 and n % 3 == 1),
        (Filters(category="Clothing > Shi"), lambda n: False),
        (Filters(min_price=20, max_price=30), lambda n: n % 7 and 20 <= 10 + n % 90 <= 30),
        (Filters(max_price=15), lambda n: n % 7 and 10 + n % 90 <= 15),
        (Filters(min_price=90, currency="usd"), lambda n: n % 7 and 10 + n % 90 >= 90 and n % 10 == 0),
        (Filters(language="es"), lambda n: n % 4 == 0),
        (Filters(language="es-MX", category="Footwear"), lambda n: n % 7 and n % 4 == 0 and n % 3 == 2),
        (Filters(category="100%_"), lambda n: False),
    ],
)
def test_filters_let_exactly_the_right_products_pass(location, shop: Shop, query, filters, passes):
    products = shop.entries(range(300))
    build(location, products)
    index = open_index(location)
    allowed = [bool(passes(number)) for number in range(300)]
    wanted = {f"p{number}" for number in range(300) if allowed[number]}
    assert ids(index.search(vector=query, k=5, filters=filters)) == exact(products, query, 5, allowed)
    assert set(ids(index.search(vector=query, k=300, filters=filters))) == wanted
    assert set(ids(index.search("model", k=300, filters=filters))) == wanted
    assert set(ids(index.search("model", query, k=300, filters=filters))) == wanted


def test_more_than_there_is_gives_all_there_is(location, shop: Shop, query):
    build(location, shop.entries(range(7)))
    assert len(open_index(location).search(vector=query, k=1000)) == 7


def test_products_of_which_only_the_title_is_known_are_found_without_filters(location, bare_rows, query):
    build(location, Entries(bare_rows, np.eye(2, DIMENSION), bare_rows.column("title").to_pylist()))
    index = open_index(location)
    assert {hit.product_id: hit.price for hit in index.search(vector=query)} == {"a": None, "b": None}
    assert {hit.category for hit in index.search("plain")} == {None}
    assert index.search(vector=query, filters=Filters(min_price=0)) == []


def test_added_products_are_found_and_replaced_ones_have_their_new_content(location, shop: Shop):
    build(location, shop.entries(range(100)))
    index = open_index(location)
    before = index.facts
    change = index.add([shop.entries(range(100, 150)), shop.entries(range(90, 100))])
    assert (change.added, change.replaced, change.removed) == (50, 10, 0)
    assert index.facts.rows == 150
    assert index.facts.generation > before.generation
    assert ids(index.search(vector=shop.vectors([120])[0], k=1)) == ["p120"]
    moved = shop.entries([5])
    index.add(
        [Entries(moved.rows.set_column(1, "title", pa.array(["purple hat"])), shop.vectors([999]), ["purple hat"])]
    )
    assert ids(index.search(vector=shop.vectors([999])[0], k=1)) == ["p5"]
    assert [hit.title for hit in index.search("purple hat", k=1)] == ["purple hat"]
    assert "p5" not in ids(index.search("red polo model 5", k=3))
    assert index.facts.rows == 150


def test_removed_products_are_gone_and_unknown_ids_are_reported(location, shop: Shop, query):
    products = shop.entries(range(100))
    build(location, products)
    index = open_index(location)
    best = exact(products, query, 3)
    change = index.remove([*best, "nobody", best[0]])
    assert (change.removed, change.unknown) == (3, ("nobody",))
    assert index.facts.rows == 97
    assert not set(best) & set(ids(index.search(vector=query, k=97)))
    assert not set(best) & set(ids(index.search("model", query, k=97)))
    assert index.remove(best).unknown == tuple(sorted(best))
    index.remove(f"p{number}" for number in range(100))
    assert index.facts.rows == 0
    assert index.search("model", query) == []
    index.add([shop.entries([3])])
    assert ids(index.search(vector=query)) == ["p3"]


def test_a_second_build_replaces_the_first_and_open_indexes_notice(location, shop: Shop, query):
    build(location, shop.entries(range(50)))
    index = open_index(location)
    assert index.is_current()
    again = build(location, shop.entries(range(200, 210)), version="v2")
    assert again.generation > index.facts.generation
    assert not index.is_current()
    assert set(ids(open_index(location, version="v2").search(vector=query, k=50))) == {f"p{n}" for n in range(200, 210)}
    with pytest.raises(ArtifactError, match="built anew by another model version"):
        index.add([shop.entries([1])])


def test_an_index_of_another_model_version_is_refused(location, shop: Shop):
    build(location, shop.entries(range(5)))
    with pytest.raises(ArtifactError, match="was built by toy version v1, not by version v2: build it again with"):
        open_index(location, version="v2")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0])
def test_a_vector_that_points_nowhere_is_refused_and_nothing_changes(location, shop: Shop, query, value):
    build(location, shop.entries(range(5)))
    index = open_index(location)
    bad = shop.entries([6, 7])
    bad.vectors[1] = value
    with pytest.raises(DataError, match="vector of product 'p7' is zero or not finite"):
        index.add([shop.entries([5]), bad])
    with pytest.raises(DataError, match="'p7'"):
        build(location, bad)
    assert open_index(location).facts.rows == 5
    with pytest.raises(UsageError, match="query's vector is zero or not finite"):
        index.search(vector=np.full(DIMENSION, value))


def test_a_wrong_dimension_is_refused(location, shop: Shop, query):
    build(location, shop.entries(range(5)))
    index = open_index(location)
    with pytest.raises(DataError, match="vectors of 16 numbers, these have shape"):
        index.add([shop.entries([9], dimension=8)])
    with pytest.raises(UsageError, match="holds vectors of 16 numbers"):
        index.search(vector=query[:8])


def test_a_product_given_twice_is_refused(location, shop: Shop):
    build(location, shop.entries(range(5)))
    with pytest.raises(DataError, match="product_id 'p6' is given twice"):
        open_index(location).add([shop.entries([6]), shop.entries([7, 6])])
    with pytest.raises(DataError, match="'p8' is given twice"):
        build(location, shop.entries([8, 8]))
    assert open_index(location).facts.rows == 5


def test_an_empty_build_is_refused_and_an_empty_addition_changes_nothing(location, shop: Shop):
    with pytest.raises(DataError, match="nothing to index"):
        build_index(location, [shop.entries([])], model="toy", version="v1")
    build(location, shop.entries(range(5)))
    assert open_index(location).add([shop.entries([])]).added == 0


def test_a_place_without_an_index_is_refused(location):
    with pytest.raises(ArtifactError, match="is not an index|holds no index"):
        open_index(location)


def test_searching_while_another_writes_sees_whole_states_only(location, shop: Shop, query):
    """A state has the ids of one block; a search that saw a half state would mix blocks or miss rows."""
    blocks = [range(first, first + 40) for first in (0, 1000, 2000, 3000)]
    build(location, shop.entries(blocks[0]))
    written = threading.Event()

    def read() -> list[tuple[set[int], int]]:
        states = []
        while not written.is_set():
            index = open_index(location)
            found = {int(hit.product_id[1:]) // 1000 for hit in index.search(vector=query, k=100)}
            states.append((found, len(index.search("model", k=100))))
            index.close()
        return states

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        for block in blocks[1:] * 3:
            build(location, shop.entries(block))
        written.set()
        states = reading.result()
    assert all(len(found) == 1 for found, _ in states)
    assert {count for _, count in states} == {40}
    assert len(set().union(*(found for found, _ in states))) > 1
