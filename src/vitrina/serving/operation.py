"""What a bento adds to the common service: its route, its messages and how a prediction becomes an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec


class Labelled(Protocol):
    """The one thing the common service reads from a prediction: its label, for the metrics."""

    @property
    def label(self) -> str: ...


@dataclass(frozen=True)
class Operation:
    """The prediction route of one model family.

    Attributes:
        path: its URL path; POST only.
        request: the type that bodies are decoded into.
        response: the type of the answer, for OpenAPI.
        load: model folder → predictor.
        predict: (predictor, requests) → one prediction per request; runs on batches.
        answer: (prediction, model, version, request_id) → the answer.
        record: (request, prediction, model, version, request_id) → the line of the prediction log.
        example: a request that warms the model up and stands in the OpenAPI document.
    """

    path: str
    request: type[msgspec.Struct]
    response: type[msgspec.Struct]
    load: Callable[[Path], Any]
    predict: Callable[[Any, list[Any]], Sequence[Labelled]]
    answer: Callable[[Any, str, str, str], msgspec.Struct]
    record: Callable[[Any, Any, str, str, str], msgspec.Struct]
    example: msgspec.Struct
