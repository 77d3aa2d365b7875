"""HTTP messages: what `POST /classify` and `POST /feedback` take and answer, and the errors of every route."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from vitrina.contracts.escaping import disarmed

MAX_CHARACTERS = 10_000

Text = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=MAX_CHARACTERS, pattern=r"\S", description="The message; blank is refused."),
]
Language = Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class ClassifyRequest(msgspec.Struct):
    """One customer message. `language` (e.g. `es`) is detected when it is not given."""

    text: Text
    language: Language | None = None


class Classification(msgspec.Struct):
    """The intent of a message, with the probability of every intent (they sum to 1)."""

    label: str
    confidence: Fraction
    distribution: dict[str, float]
    needs_clarification: bool
    out_of_scope: bool
    oos_score: float
    model: str
    version: str
    request_id: str


class FeedbackRequest(msgspec.Struct):
    """The true label of an answered request."""

    request_id: Identifier
    label: Identifier


class FeedbackReceipt(msgspec.Struct):
    """Feedback that was taken in."""

    request_id: str
    accepted: bool = True


class Problem(msgspec.Struct):
    """What went wrong. `code` is stable, `message` is for people, `details` names the fields at fault."""

    code: str
    message: str
    details: list[dict[str, Any]] = []


class ErrorBody(msgspec.Struct):
    """The body of every answer that is not 2xx."""

    error: Problem


CODES = {
    400: "malformed_json",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "body_too_large",
    422: "invalid_request",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
"""Status → stable code of the answers that are not 2xx."""


class Refusal(Exception):
    """An answer that ends a request early: raised, or given in place of one request's prediction in a batch."""

    def __init__(
        self,
        status: int,
        message: str,
        details: list[dict[str, Any]] | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details or []
        self.headers = headers

    def error(self) -> ErrorBody:
        """The answer; what it repeats of the request holds no tags."""
        return ErrorBody(Problem(CODES[self.status], disarmed(self.message), disarmed(self.details)))

    def body(self) -> bytes:
        """The JSON of the answer."""
        return msgspec.json.encode(self.error())


class PredictionRecord(msgspec.Struct):
    """One line of the prediction log. `length` is in characters."""

    request_id: str
    timestamp: datetime
    model: str
    version: str
    text: str
    language: str
    length: int
    label: str
    confidence: float
    needs_clarification: bool
    out_of_scope: bool


class FeedbackRecord(msgspec.Struct):
    """One line of `feedback.jsonl`."""

    request_id: str
    label: str
    timestamp: datetime
