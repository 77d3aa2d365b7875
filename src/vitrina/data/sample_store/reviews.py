"""Reviews of rated products; the words agree with the stars."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vitrina.data.sample_store.grammar import expand, pick, vocabulary

WRITTEN = 0.8  # share of ratings that come with words
SPANISH = 0.62
# Stars → the chances of a bad, a fair and a good sentence.
TONES = {1: (0.95, 0.05, 0.0), 2: (0.7, 0.25, 0.05), 3: (0.2, 0.6, 0.2), 4: (0.03, 0.3, 0.67), 5: (0.0, 0.08, 0.92)}
RECOMMENDED = {1: 0.01, 2: 0.08, 3: 0.5, 4: 0.93, 5: 0.99}


def draw_reviews(interactions: pd.DataFrame, products: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The reviews table, from the rating events of `interactions`."""
    ratings = interactions[interactions["event"] == "rating"]
    ratings = ratings[rng.random(len(ratings)) < WRITTEN].reset_index(drop=True)
    known = products.set_index("product_id")[["noun", "material", "kind", "attributes"]]
    stars = ratings["value"].astype(int)
    languages = np.where(rng.random(len(ratings)) < SPANISH, "es", "en")
    written = [
        _review(int(star), str(language), _slots(known.loc[product], str(language)), rng)
        for star, language, product in zip(stars, languages, ratings["product_id"], strict=True)
    ]
    return pd.DataFrame(
        {
            "review_id": [f"r{number:06d}" for number in range(1, len(ratings) + 1)],
            "user_id": ratings["user_id"],
            "product_id": ratings["product_id"],
            "rating": stars,
            "title": pd.Series([title for title, _ in written], dtype=object),
            "text": pd.Series([text for _, text in written], dtype=object),
            "recommended": rng.random(len(ratings)) < stars.map(RECOMMENDED).to_numpy(dtype=float),
            "timestamp": ratings["timestamp"],
        }
    )


def _slots(product: pd.Series, language: str) -> dict[str, list[str]]:
    """The product's noun, material and colour in the reviewer's language."""
    words = vocabulary("catalogue")
    spoken = 1 if language == "es" else 0
    said = dict(product["attributes"])
    materials = {pair[0]: pair for kind in words["materials"].values() for pair in kind}
    colours = {colour[0]: colour for colour in words["colours"]}
    return {
        "noun": [words["categories"][product["kind"]][language]],
        "material": [materials[said["material"]][spoken]],
        "colour": [colours[said["colour"]][spoken]],
    }


def _review(stars: int, language: str, slots: dict[str, list[str]], rng: np.random.Generator) -> tuple[str | None, str]:
    """Title (one in four has none) and one to four sentences, each on another aspect."""
    words = vocabulary(f"reviews.{language}")
    aspects = rng.permutation(list(words["aspects"]))[: int(rng.integers(1, 5))]
    tones = rng.choice(["bad", "fair", "good"], size=len(aspects), p=TONES[stars])
    sentences = [
        expand(pick(words["aspects"][aspect][tone], rng), slots, rng)
        for aspect, tone in zip(aspects.tolist(), tones.tolist(), strict=True)
    ]
    text = ". ".join(sentence[0].upper() + sentence[1:] for sentence in sentences) + "."
    if rng.random() < 0.25:
        return None, text
    return expand(pick(words["titles"][stars], rng), slots, rng), text
