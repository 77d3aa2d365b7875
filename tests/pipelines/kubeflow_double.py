"""A small Kubeflow Pipelines API over real HTTP: keeps what it is sent, and refuses what the real one refuses."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

PREFIX = "/apis/v2beta1/"


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Store:
    """What the API knows, by kind."""

    def __init__(self) -> None:
        self.pipelines: list[dict[str, Any]] = []
        self.versions: list[dict[str, Any]] = []
        self.experiments: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.full = False
        self._count = 0

    def identifier(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    def upload(self, body: bytes, query: dict[str, str]) -> dict[str, Any]:
        spec = parsed(body)
        if any(pipeline["display_name"] == query["name"] for pipeline in self.pipelines):
            raise Refused(409, "Already exist error: the name is taken")
        pipeline = {"pipeline_id": self.identifier("pipeline"), "display_name": query["name"]}
        self.pipelines.append(pipeline)
        self._keep(pipeline["pipeline_id"], query["name"], spec)
        return pipeline

    def upload_version(self, body: bytes, query: dict[str, str]) -> dict[str, Any]:
        spec = parsed(body)
        if any((v["pipeline_id"], v["display_name"]) == (query["pipelineid"], query["name"]) for v in self.versions):
            raise Refused(409, "Already exist error: the version's name is taken")
        return self._keep(query["pipelineid"], query["name"], spec)

    def _keep(self, pipeline: str, name: str, spec: Any) -> dict[str, Any]:
        if self.full:
            raise Refused(403, "No more versions.")
        version = {
            "pipeline_id": pipeline,
            "pipeline_version_id": self.identifier("version"),
            "display_name": name,
            "pipeline_spec": json_format.MessageToDict(spec),
        }
        self.versions.append(version)
        return version

    def start(self, body: dict[str, Any], kept: list[dict[str, Any]], kind: str) -> dict[str, Any]:
        reference = body["pipeline_version_reference"]
        found = [v for v in self.versions if v["pipeline_version_id"] == reference["pipeline_version_id"]]
        if not found or found[0]["pipeline_id"] != reference["pipeline_id"]:
            raise Refused(404, "Pipeline version not found")
        declared = found[0]["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
        given = body["runtime_config"]["parameters"]
        required = {name for name, spec in declared.items() if "defaultValue" not in spec}
        if set(given) - set(declared) or required - set(given):
            raise Refused(400, f"Invalid parameters: {sorted(given)}")
        kept.append({**body, kind: self.identifier("run")})
        return kept[-1]


def parsed(body: bytes) -> Any:
    """The PipelineSpec of an uploaded file, both of its documents checked."""
    try:
        pipeline, *platform = yaml.safe_load_all(body)
        spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        for document in platform:
            json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())
    except (yaml.YAMLError, json_format.ParseError, ValueError, AttributeError) as error:
        raise Refused(400, f"Invalid pipeline spec: {error}") from error
    return spec


def matching(items: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    predicates = json.loads(query["filter"])["predicates"] if "filter" in query else []
    return [i for i in items if all(i[p["key"]] == p["stringValue"] for p in predicates)]


class Handler(BaseHTTPRequestHandler):
    store: Store

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.store.tokens.add(self.headers.get("Authorization"))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            status, answer = 200, self._route(method, parts.path.removeprefix(PREFIX).split("/"), query, body)
        except Refused as refused:
            status, answer = refused.status, {"code": refused.status, "message": str(refused)}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _route(self, method: str, path: list[str], query: dict[str, str], body: bytes) -> dict[str, Any]:
        store = self.store
        match method, path:
            case "GET", ["healthz"]:
                return {"multi_user": False}
            case "POST", ["pipelines", "upload"]:
                return store.upload(self._file(body), query)
            case "POST", ["pipelines", "upload_version"]:
                return store.upload_version(self._file(body), query)
            case "GET", ["pipelines"]:
                return {"pipelines": matching(store.pipelines, query)}
            case "GET", ["pipelines", identifier]:
                return next(p for p in store.pipelines if p["pipeline_id"] == identifier)
            case "GET", ["pipelines", identifier, "versions"]:
                found = [v for v in store.versions if v["pipeline_id"] == identifier]
                start = int(query.get("page_token") or 0)  # one to a page: a client must follow the tokens
                following = str(start + 1) if start + 1 < len(found) else ""
                return {"pipeline_versions": found[start : start + 1], "next_page_token": following}
            case "GET", ["experiments"]:
                return {"experiments": matching(store.experiments, query)}
            case "POST", ["experiments"]:
                store.experiments.append({**json.loads(body), "experiment_id": store.identifier("experiment")})
                return store.experiments[-1]
            case "POST", ["runs"]:
                return store.start(json.loads(body), store.runs, "run_id")
            case "POST", ["recurringruns"]:
                return store.start(json.loads(body), store.recurring, "recurring_run_id")
            case "GET", ["recurringruns"]:
                return {"recurringRuns": store.recurring}
            case "DELETE", ["recurringruns", identifier]:
                store.recurring[:] = [r for r in store.recurring if r["recurring_run_id"] != identifier]
                return {}
        raise Refused(404, f"{method} {self.path}")

    def _file(self, body: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        return next(part.get_payload(decode=True) for part in message.iter_parts() if part.get_filename())

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


@contextmanager
def kubeflow() -> Iterator[tuple[str, Store]]:
    """A running API: its address and what it keeps."""
    store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"store": store}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
