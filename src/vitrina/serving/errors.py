"""Answers other than 2xx: `{"error": {"code", "message", "details"}}`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from vitrina.contracts.http import ErrorBody, Problem

CODES = {
    400: "malformed_json",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    422: "invalid_request",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")
_KINDS = (("missing required", "missing"), (" of length", "length"), ("matching regex", "pattern"))


class Refusal(Exception):
    """An answer that ends a request early."""

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

    def body(self) -> bytes:
        """The JSON of the answer."""
        return msgspec.json.encode(ErrorBody(Problem(CODES[self.status], self.message, self.details)))


def decode(decoder: msgspec.json.Decoder, body: bytes) -> Any:
    """The request in `body`.

    Raises:
        Refusal: 400 when it is not UTF-8 JSON, 422 when it is not what the schema asks for.
    """
    try:
        if not body.isascii():
            body.decode()
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise Refusal(400, "The body is not valid UTF-8.") from error
    except msgspec.ValidationError as error:
        _require_json(body)  # the decoder stops at the first wrong value; the rest may not even be JSON
        detail = _detail(str(error))
        message = f"The request is not valid: {'.'.join(detail['loc'])}: {detail['msg']}."
        raise Refusal(422, message, [detail]) from error
    except msgspec.DecodeError as error:
        raise Refusal(400, f"The body is not valid JSON: {error}.") from error


def _require_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal(400, f"The body is not valid JSON: {error}.") from error


def _detail(text: str) -> dict[str, Any]:
    """One entry as pydantic writes it: where (`loc`), what (`msg`), of which kind (`type`)."""
    path = _PATH.search(text)
    message = _PATH.sub("", text)
    location = ["body", *(part for part in (path["path"] if path else "").split(".") if part)]
    missing = _MISSING.search(message)
    if missing:
        location.append(missing["field"])
    kind = next((name for sign, name in _KINDS if sign in message), "type")
    if kind == "pattern" and r"\S" in message:
        message, kind = "Expected a text that is not blank", "blank"
    return {"loc": location, "msg": message.replace("`", ""), "type": kind}
