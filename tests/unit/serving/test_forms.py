from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from vitrina.contracts.http import Refusal
from vitrina.serving.forms import boundary_of, decode_form


class Wanted(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=10)]
    picture: bytes | None = None
    price: float | None = None
    facts: Annotated[dict[str, str], msgspec.Meta(max_length=2)] = {}
    loud: bool = False


def form(**parts):
    lines = [
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + v for name, v in parts.items()
    ]
    return b"\r\n".join([*lines, b"--xyz--\r\n"])


def test_fields_become_the_types_of_the_request():
    raw = bytes(range(256)) + b"\r\n--xy\r\n"
    read = decode_form(Wanted, form(name=b"a", picture=raw, price=b"2.5", facts=b'{"a": "b"}', loud=b"true"), b"xyz")
    assert read == Wanted("a", raw, 2.5, {"a": "b"}, True)


def test_an_empty_file_is_none():
    assert decode_form(Wanted, form(name=b"a", picture=b""), b"xyz").picture is None


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"price": b"2"}, "missing"),
        ({"name": b"a", "price": b"free"}, "float"),
        ({"name": b"a" * 11}, "length"),
        ({"name": b"\xff"}, "UTF-8"),
        ({"name": b"a", "facts": b"{"}, "JSON mapping"),
        ({"name": b"a", "facts": b'{"a":"1","b":"2","c":"3"}'}, "length"),
        ({"name": b"a", "nmae": b"b"}, "not known"),
    ],
)
def test_what_does_not_fit_is_answered_422(parts, says):
    with pytest.raises(Refusal, match=says) as refused:
        decode_form(Wanted, form(**parts), b"xyz")
    assert refused.value.status == 422


def test_a_field_given_twice_is_answered_422():
    with pytest.raises(Refusal, match="twice"):
        decode_form(Wanted, form(name=b"a").removesuffix(b"--xyz--\r\n") + form(name=b"b"), b"xyz")


@pytest.mark.parametrize("body", [b"", b"name=a", form(name=b"a").removesuffix(b"--xyz--\r\n"), form(name=b"a")[3:]])
def test_what_is_no_whole_form_is_answered_400(body):
    with pytest.raises(Refusal) as refused:
        decode_form(Wanted, body, b"xyz")
    assert refused.value.status == 400


def test_the_boundary_stands_in_the_content_type():
    assert boundary_of([(b"content-type", b'Multipart/Form-Data; boundary="a b"')]) == b"a b"
    assert boundary_of([(b"content-type", b"application/json")]) is None
    with pytest.raises(Refusal, match="boundary"):
        boundary_of([(b"content-type", b"multipart/form-data")])
