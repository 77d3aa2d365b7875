"""Embedding products in the background: the routes of such jobs, and what a job does with its rows."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import numpy as np

from vitrina.contracts.batches import (
    BatchRequest,
    BatchResults,
    BatchRow,
    BatchStatus,
    ResultsQuery,
    RowProblem,
)
from vitrina.contracts.http import Refusal
from vitrina.contracts.products import Product
from vitrina.serving.errors import problem_of, sentence_of
from vitrina.serving.operation import Call, Endpoint
from vitrina.serving.tasks.asking import cancel_job, crowded, known_job, unavailable
from vitrina.serving.tasks.records import KeyConflict, NewRow, Row, TooManyJobs
from vitrina.serving.tasks.runner import Alive, JobRunner
from vitrina.serving.tasks.store import JobStore

PATH = "/ultra/embeddings/batch"
KEY = "Idempotency-Key"
LONGEST_KEY = 200
MAX_BODY = 8 * 1024 * 1024
CHUNK = 64
"""Rows that run together: of similar length, so that a long one does not pad the rest."""

_decoder = msgspec.json.Decoder(Product)
_example = msgspec.json.encode([Product("Blue cotton shirt", price=19.9, currency="EUR", product_id="sku-1")])


class Embedder(Protocol):
    """What a job asks of a predictor."""

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Lengths at which a vector may be cut, the whole vector's first."""

    def embed_products(self, products: Sequence[Product]) -> np.ndarray:
        """(products, dimension) float32."""

    def cut(self, vectors: np.ndarray, size: int) -> np.ndarray:
        """The first `size` numbers of each vector, L2-normalised again."""


class Options(msgspec.Struct):
    """What all rows of a job share."""

    dimensions: int


def work(predictor: Embedder, options: bytes, payloads: list[bytes], _alive: Alive) -> list[bytes]:
    """Embed the products of a chunk; a result is the little-endian float32 of one vector."""
    vectors = predictor.embed_products([_decoder.decode(payload) for payload in payloads])
    cut = predictor.cut(vectors, msgspec.json.decode(options, type=Options).dimensions)
    return [vector.tobytes() for vector in np.ascontiguousarray(cut, dtype="<f4")]


def checked(raw: bytes) -> NewRow:
    """A row of a request: a product, or why it is none."""
    try:
        product = _decoder.decode(raw)
        return NewRow(product.product_id, raw)
    except msgspec.ValidationError as error:
        return NewRow(_name_of(raw), None, sentence_of(problem_of(error, "product")))


def _name_of(raw: bytes) -> str | None:
    """The product_id of a product that is not valid, where it can be told."""
    value = msgspec.json.decode(raw)
    name = value.get("product_id") if isinstance(value, dict) else None
    return name[:200] if isinstance(name, str) else None


def chunks_of(rows: Sequence[NewRow]) -> list[list[int]]:
    """The numbers of the valid rows in groups of similar length."""
    valid = [(len(row.payload), number) for number, row in enumerate(rows) if row.payload is not None]
    ordered = [number for _, number in sorted(valid)]
    return [ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK)]


class EmbeddingJobs:
    """The routes: take a job in, say how far it is, give its results, cancel it."""

    def __init__(self, model: str, store: JobStore, runner: JobRunner) -> None:
        """`model` is the name that answers report."""
        self._model = model
        self._store = store
        self._runner = runner

    def endpoints(self) -> list[Endpoint]:
        """The four routes."""
        one = f"{PATH}/{{id}}"
        example = BatchRequest([msgspec.Raw(_example[1:-1])])
        return [
            Endpoint(
                method="POST",
                path=PATH,
                summary="Embed up to 1,000 products in the background.",
                handle=self.submit,
                response=BatchStatus,
                request=BatchRequest,
                headers=(KEY,),
                status=202,
                limit=MAX_BODY,
                example=example,
            ),
            Endpoint("GET", one, "How far a job is, and which rows failed.", self.status, BatchStatus),
            Endpoint(
                "GET", f"{one}/results", "The rows that are done.", self.results, BatchResults, query=ResultsQuery
            ),
            Endpoint("DELETE", one, "Cancel a job; what is done of it stays.", self.cancel, BatchStatus),
        ]

    def submit(self, call: Call) -> BatchStatus:
        """Take a job in.

        Raises:
            Refusal: 409 when the key was used for other content, 422 for dimensions the model has not, 429, 503.
        """
        request: BatchRequest = call.request
        loaded = call.model()
        options = msgspec.json.encode(Options(_dimensions(request, loaded.predictor.dimensions)))
        rows = [checked(bytes(raw)) for raw in request.products]
        try:
            job = self._store.submit(
                rows,
                chunks_of(rows),
                options=options,
                version=loaded.source.version,
                digest=_digest(request.products, options),
                key=_key(call),
            )
        except KeyConflict:
            raise Refusal(409, f"This {KEY} was used for other products.") from None
        except TooManyJobs:
            raise crowded() from None
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error) from error
        self._runner.wake()
        return self._status(job, call)

    def status(self, call: Call) -> BatchStatus:
        """How far a job is.

        Raises:
            Refusal: 404 for an unknown job, 503.
        """
        return self._status(call.parameters["id"], call)

    def results(self, call: Call) -> BatchResults:
        """A page of a job's rows.

        Raises:
            Refusal: 404 for an unknown job, 503.
        """
        query: ResultsQuery = call.query
        end = query.offset + query.limit
        try:
            job = known_job(self._store, call.parameters["id"])
            rows = self._store.done(job.id, query.offset, end)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error) from error
        return BatchResults(
            job_id=job.id,
            status=job.state,  # type: ignore[arg-type]
            rows=job.rows,
            offset=query.offset,
            next=end if end < job.rows else None,
            dimensions=msgspec.json.decode(job.options, type=Options).dimensions,
            results=[_answered(row) for row in rows],
            model=self._model,
            version=job.version,
            request_id=call.request_id,
        )

    def cancel(self, call: Call) -> BatchStatus:
        """End a job; one that is finished stays as it is.

        Raises:
            Refusal: 404 for an unknown job, 503.
        """
        cancel_job(self._store, call.parameters["id"])
        return self._status(call.parameters["id"], call)

    def _status(self, name: str, call: Call) -> BatchStatus:
        try:
            job = known_job(self._store, name)
            errors = self._store.errors(name)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error) from error
        done = job.succeeded + job.failed
        return BatchStatus(
            job_id=job.id,
            status=job.state,  # type: ignore[arg-type]
            rows=job.rows,
            done=done,
            succeeded=job.succeeded,
            failed=job.failed,
            progress=done / job.rows,
            errors=[RowProblem(row.number, row.name, row.error or "") for row in errors],
            created_at=_time(job.created),
            finished_at=None if job.finished is None else _time(job.finished),
            expires_at=None if job.finished is None else _time(job.finished + self._store.kept),
            url=f"{PATH}/{job.id}",
            model=self._model,
            version=job.version,
            request_id=call.request_id,
        )


def _dimensions(request: BatchRequest, offered: tuple[int, ...]) -> int:
    size = request.dimensions or offered[0]
    if size not in offered:
        text = f"Vectors of {size} dimensions are not offered; there are {', '.join(map(str, offered))}."
        raise Refusal(422, text, [{"loc": ["body", "dimensions"], "msg": text, "type": "unknown"}])
    return size


def _key(call: Call) -> str | None:
    key = call.headers.get(KEY.lower())
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise Refusal(422, f"{KEY} has 1 to {LONGEST_KEY} characters.")
    return key


def _digest(products: Sequence[msgspec.Raw], options: bytes) -> str:
    digest = hashlib.sha256(options)
    for raw in products:
        digest.update(bytes(raw) + b"\n")
    return digest.hexdigest()


def _answered(row: Row) -> BatchRow:
    vector = None if row.result is None else np.frombuffer(row.result, dtype="<f4").tolist()
    return BatchRow(row.number, row.name, vector, row.error)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
