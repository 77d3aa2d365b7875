"""The OpenAPI document of a service, made from its message types."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from vitrina import __version__
from vitrina.contracts.http import CODES, ErrorBody
from vitrina.serving.messages import Message, encode, reference, schemas
from vitrina.serving.operation import Endpoint, Operation
from vitrina.serving.routes import parameters
from vitrina.serving.service import Service

_PLAIN = {
    "/healthz": "The process answers.",
    "/livez": "The process answers.",
    "/readyz": "A model is loaded.",
    "/metrics": "Prometheus metrics.",
}


def document(service: Service, keyed: bool) -> dict[str, Any]:
    """OpenAPI 3.1; `keyed` says whether an API key is asked for."""
    endpoints: list[Operation | Endpoint] = [*service.operations, *service.endpoints]
    bodies = [kind for each in endpoints for kind in (each.request, each.response) if kind is not None]
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _described(endpoint)
    paths |= {path: {"get": _get(text)} for path, text in _PLAIN.items()}
    components: dict[str, Any] = {"schemas": schemas([*bodies, ErrorBody])}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"Vitrina {service.name}", "version": __version__},
        "paths": paths,
        "components": components,
    }
    if keyed:
        components["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        whole["security"] = [{"key": []}, {"bearer": []}]
    return whole


def _answer(endpoint: Operation | Endpoint, status: int) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    if endpoint.response is None:
        return {"description": phrase}
    events = {"text/event-stream": {"schema": {"type": "string"}}} if endpoint.streams else {}
    described = _response(phrase, endpoint.response)
    return described | {"content": {**described["content"], **events}}


def _described(endpoint: Operation | Endpoint) -> dict[str, Any]:
    answers = {str(status): _answer(endpoint, status) for status in (endpoint.status, *endpoint.also)}
    refused = {str(status): _response(HTTPStatus(status).phrase, ErrorBody) for status in CODES}
    described: dict[str, Any] = {"summary": endpoint.summary, "responses": {**answers, **refused}}
    if endpoint.request is not None:
        body: dict[str, Any] = {"schema": reference(endpoint.request)}
        if endpoint.example is not None:
            body["example"] = msgspec.json.decode(encode(endpoint.example))
        forms = {"multipart/form-data": {"schema": reference(endpoint.request)}} if endpoint.form else {}
        described["requestBody"] = {"required": True, "content": {"application/json": body, **forms}}
    given = _parameters(endpoint)
    return described | ({"parameters": given} if given else {})


def _parameters(endpoint: Operation | Endpoint) -> list[dict[str, Any]]:
    """What stands in the path, the query string and the headers."""
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in parameters(endpoint.path)
    ]
    for field in msgspec.structs.fields(endpoint.query) if endpoint.query else ():
        found.append(
            {
                "name": field.encode_name,
                "in": "query",
                "required": field.required,
                "schema": msgspec.json.schema(field.type),
            }
        )
    return found + [{"name": name, "in": "header", "required": False, "schema": text} for name in endpoint.headers]


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "security": [], "responses": {"200": {"description": "OK"}}}


def _response(description: str, kind: Message) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": reference(kind)}}}
