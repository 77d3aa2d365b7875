from __future__ import annotations

import numpy as np
import pytest

from vitrina.families.fashion_recommender.features import (
    PRODUCT_NUMBERS,
    USER_NUMBERS,
    Products,
    Ratings,
    Reviews,
    bias_baseline,
    fit_ratings,
    gathered,
    membership,
    product_features,
    user_features,
)

PRODUCTS = Products(
    content=np.array([[1.0, 0.0], [0.0, 1.0]], np.float32),
    photo=np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]], np.float32),
    has_photo=np.array([True, False]),
    price=np.array([[0.5, 1.0], [0.0, 0.0]], np.float32),
)
REVIEWS = Reviews(
    vectors=np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32),
    ratings=np.array([5.0, 1.0, 4.0], np.float32),
    products=np.array([0, 1, 0]),
)
RATINGS = Ratings(mean=3.0, user=1.0, product=2.0)


def test_a_customer_is_bias_count_words_and_what_was_liked():
    [row] = user_features(membership([[0, 1]], 3), REVIEWS, PRODUCTS, RATINGS)
    numbers, written, content, photo = np.split(row, [USER_NUMBERS, USER_NUMBERS + 2, USER_NUMBERS + 4])
    assert numbers == pytest.approx([0.0, np.log1p(2) / 3, 1, 1])
    assert written == pytest.approx([0.5, 0.5])
    assert content == pytest.approx([1.0, -1.0])  # two stars above the mean for one, two below for the other, over 2
    assert photo == pytest.approx([0.6, 0.8, 0.0])


def test_a_product_is_bias_count_price_words_content_and_photo():
    rows = product_features(np.array([0, 1]), membership([[0, 2], []], 3), REVIEWS, PRODUCTS, RATINGS)
    assert rows[0, :PRODUCT_NUMBERS] == pytest.approx([3 / 4, np.log1p(2) / 3, 1, 1, 0.5, 1])
    assert rows[0, PRODUCT_NUMBERS:] == pytest.approx([1, 0, 1, 0, 0.6, 0.8, 0])  # the rating without words says none
    assert rows[1, :PRODUCT_NUMBERS].tolist() == [0, 0, 0, 0, 0, 0]


def test_only_the_reviews_that_are_needed_give_the_same_features():
    histories = [np.array([2, 0]), np.array([], dtype=np.int64), np.array([1])]
    whole = user_features(membership(histories, 3), REVIEWS, PRODUCTS, RATINGS)
    part = user_features(*gathered(histories, REVIEWS), PRODUCTS, RATINGS)
    assert part == pytest.approx(whole)


def test_biases_are_pulled_to_the_mean_and_stay_between_one_and_five():
    users, products = membership([[0], []], 3), membership([[0, 2], [1]], 3)
    assert bias_baseline(RATINGS, users, products, REVIEWS) == pytest.approx([3 + 2 / 2 + 3 / 4, 3 - 2 / 3])
    harsh = Ratings(1.0, 0.01, 0.01)
    assert bias_baseline(harsh, users, products, REVIEWS)[0] == 5.0


def test_shrinkage_is_strong_where_means_say_nothing_and_weak_where_they_do():
    rng = np.random.default_rng(0)
    quality = rng.normal(0, 1, 200)
    stars = np.clip(3 + np.repeat(quality, 4) + rng.normal(0, 0.3, 800), 1, 5).astype(np.float32)
    reviews = Reviews(np.zeros((800, 2), np.float32), stars, np.repeat(np.arange(200), 4))
    last = np.arange(3, 800, 4)
    past, nothing = membership([[i - 3, i - 2, i - 1] for i in last], 800), membership([[] for _ in last], 800)
    found = fit_ratings(nothing, past, reviews, stars[last])
    assert found.product <= 1.0
    shuffled = fit_ratings(nothing, past, reviews, rng.permutation(stars[last]))
    assert shuffled.product >= 16.0
