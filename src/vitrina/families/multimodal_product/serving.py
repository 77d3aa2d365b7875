"""Request → analysis on an exported folder; neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from vitrina.artifacts import read_json
from vitrina.contracts.http import Refusal
from vitrina.contracts.multimodal import (
    MAX_IMAGE,
    MultimodalAnalysis,
    MultimodalRecord,
    MultimodalRequest,
)
from vitrina.errors import ArtifactError, DataError
from vitrina.families.layers import photos
from vitrina.families.layers.products import DESCRIPTION_CHARACTERS
from vitrina.families.multimodal_product.features import text_of
from vitrina.families.multimodal_product.network import Network
from vitrina.families.multimodal_product.predictor import MultimodalPrediction, MultimodalPredictor, view_of

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")

EXAMPLE_IMAGE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a73"
    "0000001649444154789c63d4b059c0c0c0c0c4c0c0c0c0c000000be20108babaa4a90000000049454e44ae426082"
)
"""Two by two blue pixels as a PNG: what warms the photo's graph up, and the image of the OpenAPI document."""


def load(folder: Path, weights: str | None = None) -> MultimodalPredictor:
    """Load an exported folder; `weights` names the ONNX file (default: int8 where there is one).

    Raises:
        ArtifactError: when a file is missing or cannot be read.
    """
    folder = Path(folder)
    settings = read_json(folder / "labels.json")
    try:
        return MultimodalPredictor(Network(folder, weights, settings), settings)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / 'labels.json'} lacks {error}.") from error


def analyze(
    predictor: MultimodalPredictor, requests: Sequence[MultimodalRequest]
) -> list[MultimodalPrediction | Refusal]:
    """Run a batch of requests; one that cannot be read is refused alone."""
    read = [_read(request, predictor.network.side) for request in requests]
    good = [row for row, image in enumerate(read) if not isinstance(image, Refusal)]
    predicted = (
        predictor.predict(
            [requests[row].product for row in good],
            [cast("np.ndarray | None", read[row]) for row in good],
            [requests[row].review for row in good],
            [requests[row].embedding for row in good],
        )
        if good
        else []
    )
    found: list[Any] = list(read)
    for row, prediction in zip(good, predicted, strict=True):
        found[row] = prediction
    return found


def _read(request: MultimodalRequest, side: int) -> np.ndarray | Refusal | None:
    """The photo's pixels, None without one, or why the request cannot be answered."""
    if request.image is None:
        if not request.title:
            return Refusal(422, "The request is not valid: a title or an image is needed.", [_where("title")])
        return None
    if len(request.image) > MAX_IMAGE:
        return Refusal(413, f"The image is larger than {MAX_IMAGE // 2**20} MiB.")
    try:
        return photos.read(request.image, side, FORMATS, near=2 * side)
    except DataError as error:
        return Refusal(422, str(error), [_where("image")])


def _where(field: str) -> dict[str, Any]:
    return {"loc": ["body", field], "msg": "Missing or unreadable", "type": "value"}


def answer(prediction: MultimodalPrediction, model: str, version: str, request_id: str) -> MultimodalAnalysis:
    """The body that `POST /ultra/multimodal/analyze` answers; nothing of the request's text is in it."""
    product = prediction.product
    return MultimodalAnalysis(
        category=product.label or None,
        confidence=product.confidence,
        levels=product.levels,
        attributes=product.attributes,
        quality=product.quality,
        suggestions=product.suggestions,
        price=prediction.price,
        sentiment=product.sentiment,
        modalities=cast(Any, prediction.modalities),
        needs_review=product.needs_review,
        embedding=prediction.embedding,
        model=model,
        version=version,
        request_id=request_id,
    )


def record(
    request: MultimodalRequest, prediction: MultimodalPrediction, model: str, version: str, request_id: str
) -> MultimodalRecord:
    """The line of the prediction log; of a long description or review, the part that a model can read."""
    product = prediction.product
    return MultimodalRecord(
        request_id=request_id,
        timestamp=datetime.now(UTC),
        model=model,
        version=version,
        title=request.title,
        description=request.description and request.description[:DESCRIPTION_CHARACTERS],
        brand=request.brand,
        category=request.category,
        price=request.price,
        currency=request.currency,
        language=product.language,
        review=request.review and request.review[:DESCRIPTION_CHARACTERS],
        length=len(text_of(request.product)),
        modalities=view_of("text" in prediction.modalities, "photo" in prediction.modalities),
        label=product.label,
        confidence=product.confidence,
        needs_review=product.needs_review,
        quality=product.quality,
    )
