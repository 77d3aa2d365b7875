"""The OpenAPI document of a service, made from its message types."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from vitrina import __version__
from vitrina.contracts.http import ErrorBody, FeedbackReceipt, FeedbackRequest
from vitrina.serving.errors import CODES
from vitrina.serving.operation import Operation

_PLAIN = {
    "/healthz": "The process answers.",
    "/livez": "The process answers.",
    "/readyz": "A model is loaded.",
    "/metrics": "Prometheus metrics.",
}


def document(operation: Operation, keyed: bool) -> dict[str, Any]:
    """OpenAPI 3.1; `keyed` says whether an API key is asked for."""
    types = [operation.request, operation.response, FeedbackRequest, FeedbackReceipt, ErrorBody]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {
        operation.path: {"post": _post(operation.request, operation.response, operation.example)},
        "/feedback": {"post": _post(FeedbackRequest, FeedbackReceipt, FeedbackRequest("3f2a…", "refund"))},
    }
    paths |= {path: {"get": _get(text)} for path, text in _PLAIN.items()}
    components: dict[str, Any] = {"schemas": schemas}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"Vitrina {operation.path}", "version": __version__},
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


def _post(request: type, response: type, example: msgspec.Struct) -> dict[str, Any]:
    body = {"schema": _ref(request), "example": msgspec.to_builtins(example)}
    refused = {str(status): _response(HTTPStatus(status).phrase, ErrorBody) for status in CODES}
    return {
        "summary": (response.__doc__ or "").splitlines()[0],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": _response("OK", response), **refused},
    }


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "security": [], "responses": {"200": {"description": "OK"}}}


def _response(description: str, kind: type) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(kind)}}}


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
