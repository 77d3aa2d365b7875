"""Every member against numbers counted by hand, and against what was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vitrina.errors import ArtifactError, UsageError
from vitrina.recommendation import members
from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members import ease, gfcf, item_knn, markov, popularity, recent_knn, user_knn

Had = Callable[..., History]


@pytest.mark.parametrize("name", members.NAMES)
def test_a_member_comes_back_as_it_was_and_knows_nothing_of_an_empty_history(
    name: str, shop: Histories, had: Had, tmp_path: Path
) -> None:
    member = members.fit(name, shop)
    batch = [had(0, 1), had(), had(3)]
    scores = member.scores(batch)
    assert scores.shape == (3, 5)
    assert scores.dtype == np.float32
    member.save(tmp_path / name)
    assert np.array_equal(members.load(tmp_path / name).scores(batch), scores)
    assert name == "popularity" or not scores[1].any()
    assert np.array_equal(member.scores(batch[:1]), scores[:1])


def test_popularity_counts_events_and_lets_them_age(shop: Histories, had: Had) -> None:
    assert np.expm1(popularity.fit(shop).scores([had()])[0]) == pytest.approx([3, 3, 2, 2, 0])
    aged = popularity.fit(shop, popularity.Options(half_life=1.0))
    # The last event is of day 2: products of day 0 count a quarter.
    assert np.expm1(aged.scores([had()])[0]) == pytest.approx([0.75, 1.25, 1.5, 1.5, 0])


def test_item_knn_is_the_cosine_of_the_users(shop: Histories, had: Had) -> None:
    scores = item_knn.fit(shop).scores([had(0)])[0]
    assert scores == pytest.approx([0, 2 / 3, 1 / np.sqrt(6), 1 / np.sqrt(6), 0])
    asymmetric = item_knn.fit(shop, item_knn.Options(asymmetry=1.0)).scores([had(0)])[0]
    assert asymmetric == pytest.approx([0, 2 / 3, 1 / 3, 1 / 3, 0])
    shrunk = item_knn.fit(shop, item_knn.Options(shrinkage=1.0)).scores([had(0)])[0]
    assert shrunk[1] == pytest.approx(2 / 4)
    by_activity = item_knn.fit(shop, item_knn.Options(user_power=1.0)).scores([had(0)])[0]
    assert by_activity[1] == pytest.approx((1 / 3 + 1 / 2) / 3)


def test_only_the_nearest_are_kept(shop: Histories, had: Had) -> None:
    few = item_knn.fit(shop, item_knn.Options(neighbours=1)).scores([had(0)])[0]
    assert np.flatnonzero(few).tolist() == [1]


def test_ease_solves_its_own_equation(shop: Histories, had: Had) -> None:
    strength = 2.0
    found = ease.fit(shop, ease.Options(regularisation=strength)).matrix.toarray()
    seen = shop.matrix().toarray().astype(float)
    inverse = np.linalg.inv(seen.T @ seen + strength * np.eye(5))
    expected = -inverse / np.diag(inverse)[None]
    np.fill_diagonal(expected, 0)
    assert found == pytest.approx(expected, abs=1e-5)
    assert ease.fit(shop, ease.Options(regularisation=strength)).scores([had(0)])[0] == pytest.approx(
        expected[0], abs=1e-5
    )


def test_ease_of_the_head_leaves_rare_products_out(shop: Histories) -> None:
    found = ease.fit(shop, ease.Options(regularisation=2.0, head=2)).matrix.toarray()
    assert np.argwhere(found).tolist() == [[0, 1], [1, 0]]
    seen = shop.matrix().toarray()[:, :2].astype(float)
    inverse = np.linalg.inv(seen.T @ seen + 2 * np.eye(2))
    assert found[0, 1] == pytest.approx(-inverse[0, 1] / inverse[1, 1], abs=1e-6)


def test_ease_keeps_the_largest_of_either_sign(shop: Histories) -> None:
    whole = ease.fit(shop, ease.Options(regularisation=2.0)).matrix.toarray()
    cut = ease.fit(shop, ease.Options(regularisation=2.0, neighbours=2)).matrix.toarray()
    for row, kept in zip(whole, cut, strict=True):
        largest = np.sort(np.abs(row))[-2:]
        assert np.sort(np.abs(kept))[-2:] == pytest.approx(largest)


def test_gfcf_is_both_filters_of_the_normalised_matrix(shop: Histories, had: Had) -> None:
    seen = shop.matrix().toarray().astype(float)
    users, products = seen.sum(1), np.maximum(seen.sum(0), 1)
    normal = seen / np.sqrt(users)[:, None] / np.sqrt(products)[None]
    _, values, vectors = np.linalg.svd(normal)
    values, vectors = values[:2], vectors[:2].T
    query = np.array([1.0, 0, 0, 1, 0])
    linear = normal.T @ normal
    np.fill_diagonal(linear, 0)
    low_pass = ((query / np.sqrt(products)) @ vectors) @ vectors.T * np.sqrt(seen.sum(0))
    found = gfcf.fit(shop, gfcf.Options(factors=2, weight=0.4)).scores([had(0, 3)])[0]
    assert found == pytest.approx(query @ linear + 0.4 * low_pass, abs=1e-5)
    alone = gfcf.fit(shop, gfcf.Options(factors=2, weight=1.0, linear=0.0))
    assert alone.matrix.nnz == 0
    assert alone.scores([had(0, 3)])[0] == pytest.approx(low_pass, abs=1e-5)
    graded = gfcf.fit(shop, gfcf.Options(factors=2, weight=1.0, linear=0.0, spectrum=2.0))
    expected = ((query / np.sqrt(products)) @ vectors * values**2) @ vectors.T * np.sqrt(seen.sum(0))
    assert graded.scores([had(0, 3)])[0] == pytest.approx(expected, abs=1e-5)


def test_markov_knows_what_came_next_after_the_last_product(shop: Histories, had: Had) -> None:
    member = markov.fit(shop)
    assert member.scores([had(3, 0)])[0] == pytest.approx([0, 2 / 3, 0, 1 / 3, 0])
    assert member.scores([had(2, 1)])[0] == pytest.approx([0, 0, 1, 0, 0])
    lagged = markov.fit(shop, markov.Options(lags=2))
    # After 0: 1 twice and 3 once at a distance of one, 2 once at two.
    assert lagged.scores([had(0)])[0] == pytest.approx([0, 2 / 3.5, 0.5 / 3.5, 1 / 3.5, 0])


def test_recent_knn_weighs_distance_direction_and_recency(shop: Histories, had: Had) -> None:
    plain = recent_knn.Options(
        decay=1.0, backward=0.5, history_power=0.0, candidate_power=0.0, shrinkage=0.0, recency=1.0
    )
    member = recent_knn.fit(shop, plain)
    after_1 = np.array([0.5 * 2, 0, 2, 0.5, 0])
    after_0 = np.array([0, 2, 0.5, 1, 0])
    assert member.scores([had(1)])[0] == pytest.approx(after_1)
    assert member.scores([had(0, 1)])[0] == pytest.approx(after_1 + 0.5 * after_0)
    scaled = recent_knn.fit(shop, recent_knn.Options(**{**plain.__dict__, "candidate_power": 0.5}))
    assert scaled.scores([had(1)])[0] == pytest.approx(after_1 / np.sqrt([3, 3, 2, 2, 1]))


def test_a_second_event_moves_a_product_to_the_end_and_dislikes_do_not_count(shop: Histories, had: Had) -> None:
    member = markov.fit(shop)
    assert np.array_equal(member.scores([had(1, 0, 1)]), member.scores([had(0, 1)]))
    assert np.array_equal(member.scores([had(1, 0, weights=[1, -2])]), member.scores([had(1)]))
    assert not member.scores([had(0, 0, weights=[1, -2.4])]).any()


def test_liking_counts_with_its_strength(shop: Histories, had: Had) -> None:
    strong = item_knn.fit(shop, item_knn.Options(strength=1.0))
    assert strong.scores([had(0, weights=[4])])[0] == pytest.approx(4 * strong.scores([had(0)])[0])


def test_unknown_members_options_and_damaged_files_are_refused(shop: Histories, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no member 'magic'"):
        members.fit("magic", shop)
    with pytest.raises(UsageError, match="ease has no option lambda; it has regularisation"):
        members.fit("ease", shop, {"lambda": 1})
    members.fit("ease", shop).save(tmp_path)
    (tmp_path / "member.safetensors").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="cannot be read"):
        members.load(tmp_path)
    (tmp_path / "member.json").write_text('{"member": "magic"}')
    with pytest.raises(ArtifactError, match="no member that is known: magic"):
        members.load(tmp_path)


def test_user_knn_shows_what_the_most_alike_users_had(shop: Histories, had: Had) -> None:
    plain = user_knn.Options(rarity=0.0, neighbours=10)
    scores = user_knn.fit(shop, plain).scores([had(0)])[0]
    # Users 0 (of 3 products), 1 and 3 (of 2) had product 0.
    three, two = 1 / np.sqrt(3), 1 / np.sqrt(2)
    assert scores == pytest.approx([three + 2 * two, three + two, three, two, 0])
    nearest = user_knn.fit(shop, user_knn.Options(rarity=0.0, neighbours=1)).scores([had(0, 1)])[0]
    assert nearest == pytest.approx([2 * two, 2 * two, 0, 0, 0])
    sharp = user_knn.fit(shop, user_knn.Options(rarity=0.0, neighbours=1, sharpness=2.0)).scores([had(0, 1)])[0]
    assert sharp == pytest.approx([2, 2, 0, 0, 0])
    rare = user_knn.fit(shop, user_knn.Options(rarity=1.0, candidate_power=1.0)).scores([had(2)])[0]
    assert rare == pytest.approx(np.array([1 / 3, 2 / 3, 1, 1 / 2, 0]) * three / 2)


def test_attribute_knn_finds_what_the_catalogue_calls_alike(shop: Histories, had: Had, tmp_path: Path) -> None:
    catalogue = pa.table(
        {
            "product_id": shop.products,
            "category": ["Shoes > Boots", "shoes>boots", "Bags", None, "Shoes > Sandals"],
            "brand": ["Acme", None, "acme ", None, None],
            "attributes": [None, [("colour", "red")], [("colour", "blue")], None, [("colour", "red")]],
        }
    )
    member = members.fit("attribute_knn", shop, {"popularity": 0.0}, catalogue)
    scores = member.scores([had(0), had(4), had(3)])
    # What tells: shoes > boots, acme, red, of two products each. Shoes are too many, bags and blue are alone.
    assert scores[0] == pytest.approx([0, 1 / 2, np.sqrt(1 / 2), 0, 0], abs=1e-5)
    assert scores[1].argmax() == 1
    assert not scores[2].any()
    by_popularity = members.fit("attribute_knn", shop, {"popularity": 1.0}, catalogue).scores([had(1)])[0]
    assert by_popularity[0] / scores[0, 1] == pytest.approx(np.log(4) + 1e-3, rel=1e-3)
    member.save(tmp_path)
    assert np.array_equal(members.load(tmp_path).scores([had(0)]), scores[:1])
    with pytest.raises(UsageError, match="attribute_knn learns from the catalogue"):
        members.fit("attribute_knn", shop)
