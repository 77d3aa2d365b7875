"""From what a caller sent to the types of a route; what does not fit is answered 400 or 422 and names the field."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from vitrina.contracts.http import Refusal

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")
_KINDS = (("missing required", "missing"), (" of length", "length"), ("matching regex", "pattern"))


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
        raise invalid(error, "body") from error
    except msgspec.DecodeError as error:
        raise Refusal(400, f"The body is not valid JSON: {error}.") from error


def read_query(kind: type, query: bytes) -> Any:
    """The query string as `kind`, whose fields are texts and numbers.

    Raises:
        Refusal: 422 when a value does not fit, a field is missing or unknown.
    """
    try:
        given = dict(parse_qsl(query.decode(), keep_blank_values=True, strict_parsing=bool(query)))
        unknown = sorted(set(given) - {field.encode_name for field in msgspec.structs.fields(kind)})
        if unknown:
            raise Refusal(422, f"The query has no parameter {unknown[0]}.", [_where("query", unknown[0])])
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, "query") from error
    except ValueError as error:
        raise Refusal(422, "The query string is not name=value pairs of UTF-8 text.") from error


def problem_of(error: msgspec.ValidationError, *location: str) -> dict[str, Any]:
    """One entry as pydantic writes it: where (`loc`), what (`msg`), of which kind (`type`)."""
    path = _PATH.search(str(error))
    message = _PATH.sub("", str(error))
    location = (*location, *(part for part in (path["path"] if path else "").split(".") if part))
    missing = _MISSING.search(message)
    if missing:
        location = (*location, missing["field"])
    kind = next((name for sign, name in _KINDS if sign in message), "type")
    if kind == "pattern" and r"\S" in message:
        message, kind = "Expected a text that is not blank", "blank"
    return {"loc": list(location), "msg": message.replace("`", ""), "type": kind}


def sentence_of(problem: dict[str, Any]) -> str:
    """`problem` as text: field and what is wrong with it."""
    return f"{'.'.join(problem['loc'])}: {problem['msg']}."


def invalid(error: msgspec.ValidationError, location: str) -> Refusal:
    """The 422 of a value that does not fit its type."""
    problem = problem_of(error, location)
    return Refusal(422, f"The request is not valid: {sentence_of(problem)}", [problem])


def _where(*location: str) -> dict[str, Any]:
    return {"loc": list(location), "msg": "There is no such field", "type": "unknown"}


def _require_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal(400, f"The body is not valid JSON: {error}.") from error
