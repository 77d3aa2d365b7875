"""Messages of routes: msgspec structs, or pydantic models where another part of the program has them already."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from vitrina.contracts.http import Refusal
from vitrina.serving.errors import decode, sentence_of

Message = type[msgspec.Struct] | type[BaseModel]
_REFERENCE = "#/components/schemas/"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} cannot be sent.")


encode = msgspec.json.Encoder(enc_hook=_plain).encode


def decoder_of(kind: Message) -> Callable[[bytes], Any]:
    """From a body to `kind`; the function raises `Refusal`: 400 for what is no JSON, 422 for what does not fit."""
    if issubclass(kind, msgspec.Struct):
        decoder = msgspec.json.Decoder(kind)
        return lambda body: decode(decoder, body)
    model = kind
    return lambda body: _model(model, body)


def schemas(kinds: Iterable[Message]) -> dict[str, Any]:
    """Name → JSON schema of the kinds and all that they are made of, as OpenAPI's components."""
    kinds = list(kinds)
    structs = [kind for kind in kinds if issubclass(kind, msgspec.Struct)]
    _, found = msgspec.json.schema_components(structs, ref_template=f"{_REFERENCE}{{name}}")
    models = [kind for kind in kinds if issubclass(kind, BaseModel)]
    _, rest = models_json_schema([(kind, "validation") for kind in models], ref_template=f"{_REFERENCE}{{model}}")
    return {**found, **rest.get("$defs", {})}


def reference(kind: Message) -> dict[str, str]:
    """Where the schema of `kind` stands."""
    return {"$ref": f"{_REFERENCE}{kind.__name__}"}


def _model(kind: type[BaseModel], body: bytes) -> BaseModel:
    try:
        body.decode()
        return kind.model_validate_json(body)
    except UnicodeDecodeError as error:
        raise Refusal(400, "The body is not valid UTF-8.") from error
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors(include_url=False, include_context=False)]
        if problems[0]["type"] == "json_invalid":
            raise Refusal(400, f"The body is not valid JSON: {problems[0]['msg']}.") from error
        raise Refusal(422, f"The request is not valid: {sentence_of(problems[0])}", problems) from error


def _problem(error: Any) -> dict[str, Any]:
    """One entry in the form of `errors.problem_of`; the value itself is left out: it may be personal."""
    return {"loc": ["body", *map(str, error["loc"])], "msg": error["msg"], "type": error["type"]}
