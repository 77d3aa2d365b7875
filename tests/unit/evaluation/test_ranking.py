import numpy as np
import pytest

from vitrina.evaluation import ranking


def test_the_best_come_first_and_equal_scores_keep_their_order():
    scores = np.array([[0.1, 0.9, 0.5, 0.9], [0.3, 0.3, 0.3, 0.3]])
    assert ranking.top(scores, 3).tolist() == [[1, 3, 2], [0, 1, 2]]


def test_a_depth_beyond_the_items_ranks_all():
    assert ranking.top(np.array([[1.0, 2.0]]), 10).tolist() == [[1, 0]]


def test_ndcg_agrees_with_sklearn():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(20, 30)), rng.random((20, 30)) < 0.3
    relevant = [np.flatnonzero(row) for row in truth]
    found = ranking.hits(ranking.top(scores, 10), relevant)
    mean = ranking.ndcg(found, truth.sum(1)).mean()
    assert mean == pytest.approx(ndcg_score(truth.astype(float), scores, k=10))


def test_a_perfect_ranking_scores_one_everywhere():
    found = ranking.hits(np.array([[4, 2, 0]]), [{4, 2}])
    assert ranking.ndcg(found, [2]) == pytest.approx([1.0])
    assert ranking.recall(found, [2]) == pytest.approx([1.0])
    assert ranking.reciprocal_rank(found) == pytest.approx([1.0])


def test_the_second_place_has_half_the_reciprocal_rank():
    found = ranking.hits(np.array([[1, 7, 3]]), [{7, 8}])
    assert ranking.reciprocal_rank(found) == pytest.approx([0.5])
    assert ranking.recall(found, [2]) == pytest.approx([0.5])


def test_a_query_without_answers_scores_zero_and_is_no_error():
    found = ranking.hits(np.array([[1, 7, 3]]), [set()])
    assert ranking.ndcg(found, [0]).tolist() == [0.0]
    assert ranking.recall(found, [0]).tolist() == [0.0]
    assert ranking.reciprocal_rank(found).tolist() == [0.0]
