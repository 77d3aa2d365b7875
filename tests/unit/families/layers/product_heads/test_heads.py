import numpy as np

from vitrina.families.layers.product_heads.heads import Levels, describe, lay_out, sigmoid, stars

DESCRIBED = [
    {"name": "category", "kind": "one", "labels": ["a > x", "a > y", "b"]},
    {"name": "attributes.tags", "kind": "many", "labels": ["soft", "warm"]},
    {"name": "rating", "kind": "ordinal", "labels": ["1", "2", "3", "4", "5"]},
    {"name": "quality", "kind": "share", "labels": []},
]


def test_heads_lie_side_by_side_in_logits_and_labels():
    heads = lay_out(DESCRIBED)
    assert [(head.columns.start, head.columns.stop) for head in heads] == [(0, 3), (3, 5), (5, 9), (9, 10)]
    assert [(head.target_columns.start, head.target_columns.stop) for head in heads] == [(0, 1), (1, 3), (3, 4), (4, 5)]
    assert describe(heads) == DESCRIBED
    assert [head.attribute for head in heads] == [None, "tags", None, None]


def test_a_level_is_as_likely_as_its_leaves_together():
    levels = Levels(["a > x", "a > y", "b"], " > ")
    probabilities = np.array([[0.4, 0.35, 0.25], [0.1, 0.1, 0.8]])
    found = levels.confidence(probabilities, probabilities.argmax(1))
    np.testing.assert_allclose(found, [[0.75, 0.4], [0.8, 0.8]])  # a shallow leaf is its own node below


def test_no_level_is_more_certain_than_the_one_above_it():
    leaves = ["a > b > c", "a > b > d", "a > e", "f", "f > g > h"]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 200)
    found = Levels(leaves, " > ").confidence(probabilities, probabilities.argmax(1))
    assert (np.diff(found, axis=1) <= 1e-12).all()


def test_stars_are_the_expected_rating():
    certain = np.array([[50.0, 50.0, -50.0, -50.0], [-50.0] * 4, [50.0] * 4, [0.0] * 4])
    np.testing.assert_allclose(stars(certain), [3, 1, 5, 3])


def test_the_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        np.testing.assert_allclose(sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1])
