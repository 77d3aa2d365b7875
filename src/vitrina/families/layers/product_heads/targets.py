"""What a model learns from: rows of products and reviews, the heads they can teach, and the matrix of labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.families.layers.product_heads.heads import (
    ATTRIBUTE,
    CATEGORY,
    PRICE_LEVEL,
    QUALITY,
    RATING,
    RECOMMENDED,
    STARS,
    Head,
    lay_out,
)
from vitrina.families.layers.products import product_text, products_of

if TYPE_CHECKING:
    import pandas as pd

PRIOR_REVIEWS = 5.0
"""Reviews that the shop's mean rating counts for when a product's own are averaged."""

MANY_SHARE = 0.05
"""An attribute has several values a product when at least this share of its values holds the separator."""


class HeadOptions(Protocol):
    """What a preset says of the heads; a family's Options has these."""

    attributes: list[str] | None
    multi_label: list[str] | None
    value_separator: str
    minimum_coverage: float
    maximum_values: int


def product_rows(catalogue: pd.DataFrame, reviews: pd.DataFrame | None) -> pd.DataFrame:
    """Products that have a category, an attribute or a rating; quality is their shrunken mean rating, 0–1."""
    rows = catalogue.copy()
    rows["row_id"] = "product " + rows["product_id"].astype(str)
    if "category" in rows:
        rows["category"] = [category_path(value) for value in rows["category"]]
    rows["quality"] = np.nan if reviews is None else rows["product_id"].map(shrunken_ratings(reviews))
    stated = [name for name in ("category", "attributes", "quality") if name in rows]
    return rows[rows[stated].notna().any(axis=1)].reset_index(drop=True)


def shrunken_ratings(reviews: pd.DataFrame) -> pd.Series:
    r"""product_id → $(\sum r + k m) / (n + k)$ mapped from 1–5 to 0–1; $m$ is the mean of all ratings, $k$ = 5.

    A product with one review of 5 stars is not yet better than one with a hundred of 4.8.
    """
    grouped = reviews.groupby("product_id")["rating"].agg(["sum", "count"])
    mean = reviews["rating"].mean()
    shrunken = (grouped["sum"] + PRIOR_REVIEWS * mean) / (grouped["count"] + PRIOR_REVIEWS)
    return (shrunken - 1) / (len(STARS) - 1)


def review_rows(reviews: pd.DataFrame) -> pd.DataFrame:
    """Reviews as rows: title and text as one, with rating and recommendation, and the split where one is stated."""
    import pandas as pd

    titles = reviews["title"] if "title" in reviews else pd.Series(None, reviews.index, dtype=object)
    rows = pd.DataFrame(
        {
            "row_id": "review " + reviews["review_id"].astype(str),
            "product_id": reviews["product_id"],
            "review": [review_text(title, text) for title, text in zip(titles, reviews["text"], strict=True)],
            "rating": reviews["rating"].astype(float),
            "recommended": reviews["recommended"].astype("float64") if "recommended" in reviews else np.nan,
        }
    )
    stated = {"split": reviews["split"]} if "split" in reviews else {}
    return rows.assign(**stated).reset_index(drop=True)


def review_text(title: str | None, text: str) -> str:
    """Title and text as the model reads them."""
    return f"{title}. {text}" if isinstance(title, str) and title else text


def category_path(value: Any) -> str | None:
    """A category path with one spelling of its separator; None for anything but text."""
    if not isinstance(value, str):
        return None
    return PATH_SEPARATOR.join(part.strip() for part in value.split(PATH_SEPARATOR.strip()))


def texts_of(frame: pd.DataFrame) -> list[str]:
    """The text of each row: the product's title, brand and description, or the review where there is no title."""
    products = [product_text(product, attributes=False) for product in products_of(frame)]
    if "review" not in frame:
        return products
    reviews = frame["review"].tolist()
    return [text or (review if isinstance(review, str) else "") for text, review in zip(products, reviews, strict=True)]


def stated_attributes(frame: pd.DataFrame) -> list[dict[str, str]]:
    """The attributes of each row, none where none are stated."""
    return [product.attributes for product in products_of(frame)]


def choose_heads(train: pd.DataFrame, options: HeadOptions) -> list[Head]:
    """The heads that the training rows can teach: those with two or more values.

    Attributes: those of `options.attributes`, else every one that enough products state with not too many values.
    """
    described: list[dict[str, Any]] = []
    labels = sorted(train["category"].dropna().unique()) if "category" in train else []
    if len(labels) > 1:
        described.append({"name": CATEGORY, "kind": "one", "labels": labels})
    described += _attribute_heads(stated_attributes(train), options)
    scales = (
        (QUALITY, "share", ()),
        (RECOMMENDED, "share", ()),
        (RATING, "ordinal", STARS),
        (PRICE_LEVEL, "number", ()),
    )
    for name, kind, values in scales:
        if name in train and train[name].nunique() > 1:
            described.append({"name": name, "kind": kind, "labels": list(values)})
    return lay_out(described)


def _attribute_heads(stated: Sequence[dict[str, str]], options: HeadOptions) -> Iterable[dict[str, Any]]:
    products = max(1, sum(bool(one) for one in stated))
    names = options.attributes or sorted({name for one in stated for name in one})
    for name in names:
        values = [one[name] for one in stated if name in one]
        many = _is_many(name, values, options)
        labels = sorted({label for value in values for label in split_values(value, many, options.value_separator)})
        common = options.attributes is not None or (
            len(values) >= options.minimum_coverage * products and len(labels) <= options.maximum_values
        )
        if common and len(labels) > 1:
            yield {"name": ATTRIBUTE + name, "kind": "many" if many else "one", "labels": labels}


def _is_many(name: str, values: Sequence[str], options: HeadOptions) -> bool:
    if options.multi_label is not None:
        return name in options.multi_label
    return sum(options.value_separator in value for value in values) > MANY_SHARE * max(1, len(values))


def split_values(value: str, many: bool, separator: str) -> list[str]:
    """The labels of one attribute value."""
    if not many:
        return [value]
    return [part.strip() for part in value.split(separator) if part.strip()]


def label_matrix(frame: pd.DataFrame, heads: Sequence[Head], separator: str) -> np.ndarray:
    """(rows, targets) float32; NaN where a label is missing or was never seen in training."""
    matrix = np.full((len(frame), sum(head.targets for head in heads)), np.nan, dtype=np.float32)
    attributes = stated_attributes(frame)
    for head in heads:
        if head.attribute is not None:
            values: list[Any] = [one.get(head.attribute) for one in attributes]
        else:
            values = frame[head.name].tolist() if head.name in frame else [None] * len(frame)
        for row, value in enumerate(values):
            if value is not None and value == value:
                matrix[row, head.target_columns] = _target(head, value, separator)
    return matrix


def _target(head: Head, value: Any, separator: str) -> Any:
    if head.kind in ("share", "number"):
        return float(value)
    if head.kind == "ordinal":
        return head.labels.index(str(int(value)))
    if head.kind == "many":
        present = split_values(value, True, separator)
        return [float(label in present) for label in head.labels]
    return head.labels.index(value) if value in head.labels else np.nan
