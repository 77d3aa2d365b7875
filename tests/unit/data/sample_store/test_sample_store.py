"""The sample store is reproducible, sound, learnable, and drifts when told to."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vitrina.contracts import TABLES
from vitrina.data.sample_store import Size, messages, write_store
from vitrina.data.sample_store.grammar import expand, vocabulary
from vitrina.data.sample_store.messages import INTENTS
from vitrina.data.tables import read_table
from vitrina.data.validation import check_tables
from vitrina.errors import UsageError

WRITTEN = ("catalogue", "images", "interactions", "reviews", "messages")
SIZE = Size(products=120, users=300, interactions=8000, messages=1500)
SCRIPT = """
import sys; from pathlib import Path
from vitrina.data.sample_store import Size, write_store
write_store(Path(sys.argv[1]), Size(products=120, users=300, interactions=8000, messages=1500), 7)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, SIZE, 7)
    return folder


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drifted")
    write_store(folder, SIZE, 7, drift=True)
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / f"{name}.parquet", TABLES[name])


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_same_seed_gives_the_same_bytes_in_another_process(store: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True)
    assert digests(tmp_path) == digests(store)
    write_store(tmp_path, SIZE, 8)
    assert not set(digests(tmp_path).values()) & set(digests(store).values())


@pytest.mark.parametrize("world", ["store", "drifted"])
def test_every_table_keeps_its_contract(world: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(world)
    checked = check_tables({name: folder / f"{name}.parquet" for name in WRITTEN})
    assert [str(breach) for found in checked.values() for breach in found.breaches] == []
    assert checked["interactions"].rows == SIZE.interactions
    assert checked["messages"].rows == SIZE.messages


def test_photos_are_jpegs_that_show_the_products_colour(store: Path) -> None:
    catalogue = table(store, "catalogue").set_index("image_id")
    images = table(store, "images")
    plain = {"red": 0, "green": 1, "sky blue": 2}
    seen = 0
    for row in images.itertuples(index=False):
        photo = Image.open(io.BytesIO(row.jpeg))
        assert (photo.format, photo.size) == ("JPEG", (row.width, row.height))
        said = dict(catalogue.loc[row.image_id, "attributes"])
        if said["colour"] in plain and said["pattern"] == "plain":
            pixels = np.asarray(photo, dtype=float).reshape(-1, 3)
            coloured = pixels[np.ptp(pixels, axis=1) > 40]
            assert coloured.mean(axis=0).argmax() == plain[said["colour"]], said
            seen += 1
    assert seen >= 5


def test_tastes_can_be_learnt_from_the_first_half_of_the_interactions(store: Path) -> None:
    views = table(store, "interactions").merge(table(store, "catalogue")[["product_id", "category"]], on="product_id")
    half = views["timestamp"].median()
    early, late = views[views["timestamp"] < half], views[views["timestamp"] >= half]
    favourite = early.groupby("user_id")["category"].agg(lambda values: values.mode()[0])
    later = late[late["user_id"].isin(favourite.index)]
    personal = (later["category"] == later["user_id"].map(favourite)).mean()
    popular = (later["category"] == early["category"].mode()[0]).mean()
    assert personal > 2 * popular


def test_coats_sell_in_winter_and_more_is_viewed_on_sundays(store: Path) -> None:
    events = table(store, "interactions").merge(table(store, "catalogue")[["product_id", "category"]], on="product_id")
    months = events["timestamp"].dt.month
    wintry = events["category"].isin(["Clothing > Coats", "Accessories > Scarves", "Clothing > Sweaters"])
    assert wintry[months.isin([11, 12, 1])].mean() > 2 * wintry[months.isin([5, 6, 7])].mean()
    days = events.loc[events["event"] == "view", "timestamp"].dt.dayofweek.value_counts()
    assert days[6] > days[2]
    span = events["timestamp"].max() - events["timestamp"].min()
    assert 530 < span.days < 580


def test_events_follow_one_another(store: Path) -> None:
    counts = table(store, "interactions")["event"].value_counts()
    assert counts["view"] > counts["cart"] > counts["purchase"] > counts["rating"] > 50
    ratings = table(store, "interactions").query("event == 'rating'")
    bought = table(store, "interactions").query("event == 'purchase'")
    pairs = set(zip(bought["user_id"], bought["product_id"], strict=True))
    with_purchase = [pair in pairs for pair in zip(ratings["user_id"], ratings["product_id"], strict=True)]
    assert np.mean(with_purchase) > 0.95


def test_the_words_of_a_review_agree_with_its_rating(store: Path) -> None:
    reviews = table(store, "reviews")
    bad = reviews["text"].str.contains("awful|pésima|broke|rompió|overpriced|arrepiento|regret|disaster|desastre")
    good = reviews["text"].str.contains("excellent|excelente|comfortable|cómodo|worth every|vale cada|Fast|rápido")
    assert reviews.loc[bad, "rating"].mean() + 1 < reviews.loc[good, "rating"].mean()
    ratings = table(store, "interactions").query("event == 'rating'")
    keys = ["user_id", "product_id", "timestamp"]
    assert (reviews.merge(ratings, on=keys)["rating"] == reviews.merge(ratings, on=keys)["value"]).all()
    assert len(reviews.merge(ratings, on=keys)) == len(reviews)


def test_messages_are_many_and_cover_every_intent_in_both_languages(store: Path) -> None:
    rows = table(store, "messages")
    assert rows["text"].is_unique
    before = {name for name, intent in INTENTS.items() if intent.before}
    for language in ("es", "en"):
        assert set(rows.loc[rows["language"] == language, "intent"]) == before
    assert not rows["text"].str.contains(r"[\[\]{}%|]").any()
    assert rows.loc[rows["intent"] != "out_of_scope", "domain"].notna().all()


def test_no_text_of_the_traffic_stands_in_a_table(store: Path) -> None:
    traffic = messages(800, seed=7)
    assert len(traffic) == 800
    assert not set(traffic["text"].str.lower()) & set(table(store, "messages")["text"].str.lower())
    assert messages(800, seed=7).equals(traffic)
    assert not messages(800, seed=8).equals(traffic)


def test_a_model_of_the_calm_world_is_good_in_it_and_worse_after_the_drift() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    from vitrina.data.sample_store.messages import draw

    known = draw(3000, np.random.default_rng(1), drift=False, side="history")
    calm, later = messages(600, seed=2), messages(600, seed=3, drift=True)
    model = make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), SGDClassifier(random_state=0))
    model.fit(known["text"], known["intent"])
    old_intents = later[later["intent"].isin(known["intent"])]
    worlds = {"calm": calm, "later": later, "old intents": old_intents}
    accuracy = {name: (model.predict(rows["text"]) == rows["intent"]).mean() for name, rows in worlds.items()}
    assert 0.85 < accuracy["calm"] < 1
    assert accuracy["later"] < accuracy["calm"] - 0.2
    assert accuracy["old intents"] < accuracy["calm"] - 0.15  # not only because intents are new


def test_the_drifted_world_differs_where_it_should(store: Path, drifted: Path) -> None:
    before, after = table(store, "messages"), table(drifted, "messages")
    assert set(after["intent"]) - set(before["intent"]) == {"parcel_locker", "pay_in_instalments", "app_problem"}
    assert (before["language"] == "es").mean() - (after["language"] == "es").mean() > 0.1
    prices = [table(folder, "catalogue")["price"] for folder in (store, drifted)]
    assert prices[1].mean() / prices[0].mean() == pytest.approx(1.12, abs=0.02)
    assert table(store, "catalogue")["title"].equals(table(drifted, "catalogue")["title"])
    assert table(drifted, "interactions")["timestamp"].min() > table(store, "interactions")["timestamp"].min()


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_template_of_the_grammar_can_be_written(language: str) -> None:
    words = vocabulary(f"messages.{language}")
    rng = np.random.default_rng(0)
    assert set(words["intents"]) == set(INTENTS)
    texts = [
        expand(template, words["slots"], rng)
        for wordings in words["intents"].values()
        for templates in wordings.values()
        for template in templates
        for _ in range(5)
    ]
    assert not [text for text in texts if set("[]{}|%") & set(text)]


def test_a_store_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one of users, got 0"):
        Size(users=0)
