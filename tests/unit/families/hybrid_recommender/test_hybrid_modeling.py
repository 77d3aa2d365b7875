"""The network: what masks and dropouts must not change, losses that go down, the ranking it is evaluated by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrina.families.hybrid_recommender.batches import Collator, Question, TrainingRows, read
from vitrina.families.hybrid_recommender.configuration import HybridRecommenderConfig, Options
from vitrina.families.hybrid_recommender.ensemble import Factors
from vitrina.families.hybrid_recommender.modeling import HybridRecommender, served
from vitrina.recommendation.histories import Histories, History

PRODUCTS, USERS = 12, 6


def history(*items: int, weights: tuple[float, ...] | None = None) -> History:
    strength = np.array(weights or [1.0] * len(items), np.float32)
    return History(np.array(items, np.int32), np.arange(len(items), dtype=float), strength)


def histories(rows: list[History]) -> Histories:
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    parts = (np.concatenate([getattr(row, name) for row in rows]) for name in ("items", "times", "weights"))
    return Histories([f"u{n}" for n in range(len(rows))], [f"p{n}" for n in range(PRODUCTS)], offsets, *parts)


def options(**changes: object) -> Options:
    small = {"width": 8, "content_width": 8, "history": 4, "hidden": 8, "negatives": 6, "members": ["item_knn"]}
    return Options.model_validate({**small, **changes})


def model_of(chosen: Options) -> HybridRecommender:
    torch.manual_seed(0)
    names = ("width", "content_width", "history", "hidden", "negatives", "loss", "dropout", "id_dropout")
    config = HybridRecommenderConfig(
        products=PRODUCTS, users=USERS, features=2, **{name: getattr(chosen, name) for name in names}
    )
    model = HybridRecommender(config)
    counts = torch.ones(PRODUCTS)
    counts[-2:] = 0
    model.start(torch.nn.functional.normalize(torch.randn(PRODUCTS, 8), dim=-1), counts)
    return model


@pytest.fixture
def rows() -> TrainingRows:
    """Users who walk up the products: what comes next is clear."""
    return TrainingRows(histories([history(*((start + n) % 10 for n in range(6))) for start in range(6)]), options())


def test_rows_are_first_events_with_a_product_and_their_history_is_what_came_before() -> None:
    found = TrainingRows(histories([history(3, 3, 5, 7, 3), history(1, 2, weights=(1.0, -4.0))]), options())
    assert [found.target(row) for row in range(len(found))] == [3, 5, 7, 1]
    assert found.history(2, 10).items.tolist() == [3, 3, 5]
    assert found.history(2, 1).items.tolist() == [5]
    assert len(found.history(3, 10)) == 0


def test_without_an_order_the_history_is_all_else() -> None:
    found = TrainingRows(histories([history(3, 5, 7, 3)]), options(split="random"))
    assert set(found.history(0, 10).items.tolist()) == {5, 7}


def test_ratings_are_learned_with_their_stars_liked_or_not() -> None:
    given = histories([history(1, 2, 3, weights=(4.0, 0.8, -2.4))])  # 5, 3 and 1 stars
    found = TrainingRows(given, options(target="ratings", loss="squared"))
    assert len(found) == 3
    stars = [found.stars(row) for row in range(3)]
    assert stars[0] > stars[1] > stars[2]
    assert abs(sum(stars)) < 1e-6


def test_padding_changes_no_user() -> None:
    model = model_of(options()).eval()
    for weights in ((1.0, 2.0), (1.0, -4.0)):
        batch = read([history(1, 2, weights=weights)], [None], 4)
        found = model.users(batch["history"], batch["weights"], batch["user"])
        other = batch["history"].clone()
        other[:, 2:] = 7  # what stands at places without weight
        torch.testing.assert_close(found, model.users(other, batch["weights"], batch["user"]))


def test_order_and_the_user_count() -> None:
    model = model_of(options()).eval()
    batch = read([history(1, 2), history(2, 1), history(1, 2)], [None, None, 3], 4)
    found = model.users(batch["history"], batch["weights"], batch["user"])
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_it_learns_what_comes_next(loss: str, rows: TrainingRows) -> None:
    chosen = options(loss=loss, id_dropout=0.0, dropout=0.0)
    model, collator = model_of(chosen), Collator(rows, chosen)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    batch = collator(list(range(len(rows))))
    for _ in range(80):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    model.eval()
    asked = [Question(None, history(*(start + n for n in range(4))), np.array([start + 4])) for start in range(5)]
    assert model(**collator(asked)).ndcg.mean() > 0.8


def test_stars_are_regressed(rows: TrainingRows) -> None:
    chosen = options(target="ratings", loss="squared", id_dropout=0.0, dropout=0.0)
    given = histories([history(*range(6), weights=(4.0, -2.4, 4.0, -2.4, 4.0, -2.4)) for _ in range(6)])
    found = TrainingRows(given, chosen)
    model, collator = model_of(chosen), Collator(found, chosen)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    batch = collator(list(range(len(found))))
    first = model(**batch).loss.item()
    for _ in range(80):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2 * first


def test_seen_products_are_not_ranked_and_the_quality_is_ndcg() -> None:
    model = model_of(options()).eval()
    collator = Collator(TrainingRows(histories([history(0, 1)]), options()), options())
    vectors, biases = model.all_products()
    question = Question(None, history(0, 1), np.array([5, 9, -2]))
    user = model.users(*(read([question.history], [None], 4)[name] for name in ("history", "weights", "user")))
    scores = (model.log_scale.exp() * user @ vectors.T + biases)[0].detach().numpy().copy()
    scores[[0, 1]] = -np.inf
    ranked = np.argsort(-scores)[:10].tolist()
    gains = 1 / np.log2(np.arange(2, 12))
    wanted = sum(gains[ranked.index(place)] for place in (5, 9) if place in ranked) / gains[:2].sum()
    assert model(**collator([question])).ndcg.item() == pytest.approx(wanted, abs=1e-5)


def test_products_that_were_never_a_target_keep_only_what_they_are() -> None:
    model = model_of(options()).eval()
    with torch.no_grad():
        model.product_embedding.weight[PRODUCTS] = 100.0
        model.bias.weight[1:11, 0] = torch.arange(10.0)
    vectors, biases = model.all_products()
    content = torch.nn.functional.normalize(model.content(model.content_vectors[PRODUCTS]), dim=-1)
    torch.testing.assert_close(vectors[-1], content)
    assert biases[-1].item() == pytest.approx(2.25)


def test_the_network_as_served_gives_the_users_of_training() -> None:
    model = model_of(options()).eval()
    vectors, biases = (each.detach().numpy() for each in model.all_products())
    users = torch.cat([model.user_embedding.weight[1:], torch.zeros(1, 8)]).detach().numpy()
    factors = Factors(vectors, biases, [f"u{n}" for n in range(USERS)], users, 10.0, 4)
    assert (factors.place("u3"), factors.place("u9"), factors.place(None)) == (3, None, None)
    asked = [history(1, 2, 3, 4, 5, 6, weights=(1, 2, 4, 1, 1, -4)), history()]
    feed = factors.feed(asked, [3, None])
    feed |= {"candidates": np.zeros((2, 1, 8), np.float32), "features": np.zeros((2, 1, 1), np.float32)}
    [found] = served(model)(["user"], feed)
    batch = read(asked, [3, None], 4)
    wanted = model.users(batch["history"], batch["weights"], batch["user"]).detach().numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
