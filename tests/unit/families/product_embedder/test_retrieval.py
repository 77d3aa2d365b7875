import pandas as pd

from vitrina.contracts.products import Product
from vitrina.families.product_embedder.queries import AttributeQuery
from vitrina.families.product_embedder.retrieval import AttributeIndex, evaluation_queries


def catalogue(rows=24):
    return pd.DataFrame(
        {
            "product_id": [f"p{n}" for n in range(rows)],
            "title": [f"linen shirt number{n // 2} {('red', 'blue')[n % 2]} Acme" for n in range(rows)],
            "category": [None if n == 0 else f"Clothing > {('Shirts', 'Socks')[n % 2]}" for n in range(rows)],
            "attributes": [[("colour", ("red", "blue")[n % 2])] for n in range(rows)],
        }
    )


def test_the_same_products_give_the_same_queries_in_any_order():
    frame = catalogue()
    turned = frame.iloc[::-1].reset_index(drop=True)
    one, other = ({q.row_id: q.product.title for q in evaluation_queries(f)} for f in (frame, turned))
    assert one == other


def test_a_query_does_not_change_when_other_products_come():
    before = {q.row_id: q.product.title for q in evaluation_queries(catalogue(24)) if q.kind == "title"}
    after = {q.row_id: q.product.title for q in evaluation_queries(catalogue(40)) if q.kind == "title"}
    assert before.items() <= after.items()


def test_title_queries_are_damaged_and_lead_to_all_products_of_the_name():
    frame = catalogue()
    frame.loc[3, "title"] = frame.loc[1, "title"].upper()
    queries = [q for q in evaluation_queries(frame) if q.kind == "title"]
    assert len(queries) == 23
    assert all(q.product.title != frame.loc[q.source, "title"] for q in queries)
    assert next(q for q in queries if 1 in q.relevant).relevant == {1, 3}


def test_attribute_queries_know_what_answers_and_what_cannot_be_judged():
    queries = [q for q in evaluation_queries(catalogue()) if q.kind == "attributes"]
    assert queries
    red_shirts = next(q for q in queries if "red" in q.product.title and "shirt" in q.product.title)
    assert red_shirts.relevant == set(range(2, 24, 2))
    assert red_shirts.unjudged == {0}


def test_rows_that_are_not_queried_only_answer():
    frame = catalogue().assign(
        queried=[n >= 20 for n in range(24)], matches=[["p5"] if n == 4 else [] for n in range(24)]
    )
    queries = evaluation_queries(frame)
    assert {q.source for q in queries if q.kind != "match"} <= set(range(20, 24))
    match = next(q for q in queries if q.kind == "match")
    assert (match.source, match.relevant) == (4, {5})


def test_a_match_that_is_not_among_the_rows_is_no_query():
    frame = catalogue().assign(
        matches=[["elsewhere"] if n == 4 else ["p5", "gone"] if n == 6 else [] for n in range(24)]
    )
    matches = [q for q in evaluation_queries(frame) if q.kind == "match"]
    assert [(q.source, q.relevant) for q in matches] == [(6, {5})]


def test_the_limit_holds_for_each_kind():
    queries = evaluation_queries(catalogue(), limit=3)
    assert [sum(q.kind == kind for q in queries) for kind in ("title", "attributes")] == [3, 3]


def test_the_index_agrees_with_asking_each_product():
    products = [
        Product("a", category=category, attributes=attributes)
        for category in (None, "A", "A > B", "A > C")
        for attributes in ({}, {"x": "1"}, {"x": "2"}, {"x": "1", "y": "3"})
    ]
    index = AttributeIndex(products)
    for query in (
        AttributeQuery("", (("x", "1"),), None),
        AttributeQuery("", (("x", "1"), ("y", "3")), "A"),
        AttributeQuery("", (("y", "9"),), "A > B"),
    ):
        relevant, unjudged = index.answers(query)
        answers = [query.accepts(product) for product in products]
        assert relevant == {n for n, answer in enumerate(answers) if answer is True}
        assert unjudged == {n for n, answer in enumerate(answers) if answer is None}
