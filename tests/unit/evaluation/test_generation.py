"""Metrics of generated texts, on texts whose values are known."""

from __future__ import annotations

import pytest

from vitrina.evaluation import generation

TEXTS = ["the cat sat on the mat today", "a red oak chair for the home"]


def test_a_text_that_is_one_of_its_references_is_perfect() -> None:
    references = [["something else", TEXTS[0]], [TEXTS[1]]]
    scores = generation.corpus_scores(TEXTS, references)
    assert scores["bleu"] == pytest.approx(1.0)
    assert scores["rouge_l"] == 1.0
    assert generation.bootstrap_bleu(TEXTS, references, samples=20) == pytest.approx((1.0, 1.0))


def test_more_references_never_lower_a_score_and_other_texts_score_zero() -> None:
    one = generation.corpus_scores(TEXTS, [["the cat is on the mat"], ["an oak chair"]])
    two = generation.corpus_scores(TEXTS, [["the cat is on the mat", TEXTS[0]], ["an oak chair", "a red oak chair"]])
    assert two["bleu"] > one["bleu"]
    assert generation.sentence_bleu(["x y z"], [["a b c"]])[0] == 0


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    assert generation.rouge_l("a b c d", ["a x c"]) == pytest.approx(2 * 2 / 7)
    assert generation.rouge_l("", ["a"]) == 0.0


def test_variety_counts_distinct_runs_and_repeated_ones() -> None:
    assert generation.distinct(["a b", "a b"], 1) == 0.5
    assert generation.distinct([], 1) == 0.0
    assert generation.self_repetition(["it is a chair and it is a chair", "it is a table"]) == 0.5
