"""HTTP messages of `/ai/few-shot`: classes by example, texts or images to label, and named label sets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from vitrina.contracts.http import MAX_CHARACTERS, Fraction, Identifier

MOST_EXAMPLES = 5
MOST_CLASSES = 200
MOST_QUERIES = 100
MAX_IMAGE = 1_000_000
"""Base64 characters of one image."""

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
Name = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="Letters, digits, dot, dash, underscore."),
]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHARACTERS, pattern=r"\S")]
Image = Annotated[
    str, msgspec.Meta(min_length=1, max_length=MAX_IMAGE, description="Base64 of a PNG or JPEG file, or a data: URI.")
]


class Examples(msgspec.Struct):
    """One class: its label and one to five examples, texts or images as the model asks."""

    label: Label
    texts: Annotated[list[Text], msgspec.Meta(max_length=MOST_EXAMPLES)] = []
    images: Annotated[list[Image], msgspec.Meta(max_length=MOST_EXAMPLES)] = []


class FewShotRequest(msgspec.Struct):
    """What to label, and by which classes.

    `classes` alone serve this request only. With `label_set` they are kept under that name: a new class is added, a
    known one gets these examples in place of its old ones; the model is not trained again. `label_set` alone uses what
    is kept. Give `texts` to a text model, `images` to an image model; neither, to only keep classes.
    """

    classes: Annotated[list[Examples], msgspec.Meta(max_length=MOST_CLASSES)] = []
    label_set: Name | None = None
    texts: Annotated[list[Text], msgspec.Meta(max_length=MOST_QUERIES)] = []
    images: Annotated[list[Image], msgspec.Meta(max_length=MOST_QUERIES)] = []


class FewShotLabel(msgspec.Struct):
    """The label of one text or image; `distribution` holds the probability of every class and sums to 1.

    `prediction_id` is what `POST /feedback` takes as its request_id.
    """

    label: str
    confidence: Fraction
    distribution: dict[str, float]
    low_confidence: bool
    prediction_id: str


class FewShotAnswer(msgspec.Struct):
    """One entry of `predictions` per text or image, in order."""

    predictions: list[FewShotLabel]
    labels: list[str]
    label_set: str | None
    model: str
    version: str
    request_id: str


class LabelSetClass(msgspec.Struct):
    """A class that is kept: its label and how many examples it has."""

    label: str
    examples: int


class LabelSetAnswer(msgspec.Struct):
    """A named label set, as it is kept; `classes` is empty once it has been deleted."""

    label_set: str
    classes: list[LabelSetClass]
    updated_at: datetime
    request_id: str


class LabelSetList(msgspec.Struct):
    """The names of all label sets, in alphabetical order."""

    label_sets: list[str]
    request_id: str


class FewShotRecord(msgspec.Struct):
    """One line of the prediction log: one labelled text, or an image as base64 in `text`. `ways`: classes offered."""

    request_id: Identifier
    timestamp: datetime
    model: str
    version: str
    text: str
    language: str
    length: int
    label: str
    confidence: float
    low_confidence: bool
    ways: int
    label_set: str | None
