from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field

from vitrina.contracts.http import Refusal
from vitrina.serving.messages import decoder_of, encode, reference, schemas


class Colour(BaseModel):
    name: Annotated[str, Field(max_length=5)]


class Shirt(BaseModel):
    """A shirt."""

    model_config = ConfigDict(extra="forbid")

    colour: Colour
    size: int = 40


class Note(msgspec.Struct):
    """A note."""

    text: str


def test_either_kind_of_message_is_decoded_and_sent() -> None:
    assert decoder_of(Note)(b'{"text": "hi"}') == Note("hi")
    shirt = decoder_of(Shirt)('{"colour": {"name": "añil"}}'.encode())
    assert shirt == Shirt(colour=Colour(name="añil"))
    assert (
        encode({"one": shirt, "two": Note("x")})
        == '{"one":{"colour":{"name":"añil"},"size":40},"two":{"text":"x"}}'.encode()
    )


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not valid JSON"),
        (b"\xff", 400, "UTF-8"),
        (b'{"colour": {"name": "secret-name"}}', 422, "body.colour.name"),
        (b'{"colour": {"name": "red"}, "weight": 1}', 422, "body.weight"),
        (b"{}", 422, "body.colour"),
    ],
)
def test_a_wrong_body_is_refused_and_its_content_not_repeated(body: bytes, status: int, said: str) -> None:
    with pytest.raises(Refusal) as refused:
        decoder_of(Shirt)(body)
    assert refused.value.status == status
    assert said in refused.value.message
    assert b"secret" not in refused.value.body()


def test_both_kinds_share_one_table_of_schemas() -> None:
    found = schemas([Note, Shirt])
    assert found.keys() == {"Note", "Shirt", "Colour"}
    assert found["Shirt"]["properties"]["colour"] == reference(Colour)
