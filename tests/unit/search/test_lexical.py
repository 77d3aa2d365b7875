"""BM25 over words and n-grams: against a plain reading of the formula, and on what customers type."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from vitrina.search.lexical import K1, B, Lexicon, Query, analyse, bm25, postings, query_weights

TITLES = [
    "Nike Men Running Shoes",
    "Puma Women Running Shoes shoes shoes",
    "Camión de juguete rojo",
    "Red toy truck",
    "",
    "Levi's 501 Jeans",
]


def lexicon(texts) -> Lexicon:
    return Lexicon.of([postings(texts)], len(texts))


def test_scores_are_those_of_the_formula():
    query = "nike shoes shoes"
    documents = [Counter(analyse(title)) for title in TITLES]
    average = sum(document.total() for document in documents) / len(documents)
    expected = []
    for document in documents:
        score = 0.0
        for token, count in Counter(analyse(query)).items():
            holders = sum(token in each for each in documents)
            rarity = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
            norm = document[token] + K1 * (1 - B + B * document.total() / average)
            score += (1 + math.log(count)) * rarity * document[token] * (K1 + 1) / norm
        expected.append(score)
    np.testing.assert_allclose(bm25(query, [lexicon(TITLES)])[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("query", "best"),
    [("runing shose men nike", 0), ("camion", 2), ("CAMIÓN ROJO", 2), ("truk", 3), ("levis 501", 5)],
)
def test_typos_accents_and_case_do_not_hide_a_product(query, best):
    assert int(bm25(query, [lexicon(TITLES)])[0].argmax()) == best


def test_of_a_whole_record_the_rare_tokens_decide():
    said = "the quick brown fox and a lazy dog by the old river bank near some green trees in summer light"
    chatter = [said[number % 7 :] for number in range(40)]
    titles = [*chatter, "turntable pslx350h"]
    record = f"turntable pslx350h {said}"
    assert int(bm25(record, [lexicon(titles)])[0].argmax()) == len(chatter)
    shares = []
    for query in ("turntable pslx350h", record):
        weights = query_weights(query, len(titles), lambda tokens: [1 if i == 0 else 40 for i in range(len(tokens))])
        first, second = list(weights.values())[:2]
        shares.append(first / second)
    assert shares[1] > 5 * shares[0]


def test_segments_share_their_statistics():
    whole = bm25("women shoes", [lexicon(TITLES)])[0]
    parts = bm25("women shoes", [lexicon(TITLES[:4]), lexicon(TITLES[4:])])
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)


def test_a_query_that_matches_nothing_or_says_nothing_scores_zero():
    for query in ("qqqq", "", "!!!"):
        assert not bm25(query, [lexicon(TITLES)])[0].any()


def test_scores_of_some_rows_are_those_of_all():
    lexicons = [lexicon(TITLES[:4]), lexicon(TITLES[4:])]
    query = Query("running shoes for men truck 501", lexicons)
    for place, whole in enumerate(query.scores()):
        rows = np.arange(len(whole))[::2]
        np.testing.assert_allclose(query.scores_of(place, rows), whole[rows], rtol=1e-6)


def test_with_a_small_budget_the_rarest_tokens_propose(monkeypatch):
    made = lexicon([f"shirt number {number}" for number in range(50)] + ["shirt zebra"])
    monkeypatch.setattr("vitrina.search.lexical.BUDGET", 10)
    (scores,), complete = Query("shirt zebra", [made]).promising()
    assert np.flatnonzero(scores).tolist() == [50]
    assert not complete
    monkeypatch.setattr("vitrina.search.lexical.BUDGET", 10**6)
    scores, complete = Query("shirt zebra", [made]).promising()
    assert complete
    np.testing.assert_allclose(scores, bm25("shirt zebra", [made]), rtol=1e-5)


def test_written_postings_read_back_the_same(tmp_path):
    made = lexicon(TITLES)
    made.write(tmp_path)
    for text in ("running", "camion de juguete"):
        np.testing.assert_array_equal(bm25(text, [Lexicon.open(tmp_path)])[0], bm25(text, [made])[0])


def test_keeping_some_rows_equals_indexing_only_them():
    keep = np.array([True, False, True, True, False, True])
    again = Lexicon.of([lexicon(TITLES).kept(keep, 0)], int(keep.sum()))
    only = lexicon([title for title, kept in zip(TITLES, keep, strict=True) if kept])
    for name in ("tokens", "offsets", "docs", "counts", "lengths"):
        np.testing.assert_array_equal(getattr(again, name), getattr(only, name))


def test_no_text_at_all_is_an_empty_lexicon():
    empty = lexicon(["", ""])
    assert bm25("shoe", [empty])[0].tolist() == [0, 0]
