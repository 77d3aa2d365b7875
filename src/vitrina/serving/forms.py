"""multipart/form-data bodies, as browsers and `curl -F` send them, decoded into the same types as JSON."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from vitrina.contracts.http import Refusal
from vitrina.serving.errors import invalid

FORM = b"multipart/form-data"
MAX_PARTS = 256


def boundary_of(headers: typing.Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The boundary of a form; None: the body is no form.

    Raises:
        Refusal: 400 for a form without a boundary.
    """
    for name, value in headers:
        if name == b"content-type" and value.lower().startswith(FORM):
            boundary = parse_options_header(value)[1].get(b"boundary")
            if not boundary:
                raise Refusal(400, "The form's Content-Type names no boundary.")
            return boundary
    return None


def decode_form(kind: type[msgspec.Struct], body: bytes, boundary: bytes) -> Any:
    """The request in a form: one part a field; bytes are files, numbers and flags text, mappings JSON text.

    Raises:
        Refusal: 400 when it is no form, 422 when it is not what `kind` asks for, names a field twice or an unknown one.
    """
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name, content in _parts(body, boundary):
        if name not in fields or name in given:
            what = "is given twice" if name in given else "is not known"
            where = [{"loc": ["body"], "msg": f"A field {what}", "type": "unknown"}]
            raise Refusal(422, f"The request is not valid: a field of the form {what}.", where)
        if content or not _takes(fields[name], bytes):  # a browser sends an empty file where none was chosen
            given[name] = _value(fields[name], content, name)
    try:
        return msgspec.convert(given, kind, strict=False, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise invalid(error, "body") from error


def _value(kind: Any, content: bytes, name: str) -> Any:
    if _takes(kind, bytes):
        return content
    try:
        text = content.decode()
        return msgspec.json.decode(text) if _takes(kind, dict) else text
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        wanted = "a JSON mapping" if _takes(kind, dict) else "UTF-8 text"
        problem = {"loc": ["body", name], "msg": f"Expected {wanted}", "type": "type"}
        raise Refusal(422, f"The request is not valid: {name}: expected {wanted}.", [problem]) from error


def _takes(kind: Any, wanted: type) -> bool:
    """Whether a field's type is `wanted`, perhaps annotated or optional."""
    origin = typing.get_origin(kind)
    if wanted in (kind, origin):
        return True
    return origin is not dict and any(_takes(part, wanted) for part in typing.get_args(kind))


class _Part:
    """One part while it is read."""

    def __init__(self) -> None:
        self.header, self.value, self.name = bytearray(), bytearray(), ""
        self.content: list[bytes] = []


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bytes]]:
    """Name and content of each part, in order."""
    found: list[_Part] = []

    def header_end() -> None:
        part = found[-1]
        if bytes(part.header).lower() == b"content-disposition":
            part.name = parse_options_header(bytes(part.value))[1].get(b"name", b"").decode(errors="replace")
        part.header, part.value = bytearray(), bytearray()

    def begin() -> None:
        if len(found) == MAX_PARTS:
            raise Refusal(422, f"A form may have {MAX_PARTS} parts at most.")
        found.append(_Part())

    ended: list[bool] = []
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin,
            "on_header_field": lambda data, start, end: found[-1].header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: found[-1].value.extend(data[start:end]),
            "on_header_end": header_end,
            "on_part_data": lambda data, start, end: found[-1].content.append(data[start:end]),
            "on_end": lambda: ended.append(True),
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(400, "The body is not multipart/form-data with the boundary it names.") from error
    if not ended:
        raise Refusal(400, "The form is cut off: its last boundary is missing.")
    return [(part.name, b"".join(part.content)) for part in found]
