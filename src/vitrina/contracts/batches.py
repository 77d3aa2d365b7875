"""HTTP messages of background jobs: `POST /ultra/embeddings/batch` and what is asked about a job afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from vitrina.contracts.http import Fraction
from vitrina.contracts.product_embeddings import Dimensions

MOST_ROWS = 1000
State = Literal["queued", "running", "done", "cancelled"]

Rows = Annotated[
    list[msgspec.Raw],
    msgspec.Meta(min_length=1, max_length=MOST_ROWS, description="Products; each is checked by itself."),
]


class BatchRequest(msgspec.Struct):
    """Up to 1,000 products to embed in the background. Products that are not valid are reported, the rest embedded."""

    products: Rows
    dimensions: Dimensions | None = None


class RowProblem(msgspec.Struct):
    """Why one row has no result; rows count from 0 in the order of the request."""

    row: int
    product_id: str | None
    message: str


class BatchStatus(msgspec.Struct):
    """How far a job is. `done` = `succeeded` + `failed`; a finished job is kept until `expires_at`."""

    job_id: str
    status: State
    rows: int
    done: int
    succeeded: int
    failed: int
    progress: Fraction
    errors: list[RowProblem]
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    url: str
    model: str
    version: str
    request_id: str


class ResultsQuery(msgspec.Struct):
    """Which rows of a job are asked for."""

    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = 100


class BatchRow(msgspec.Struct):
    """One row that is done: its embedding, or why it has none."""

    row: int
    product_id: str | None
    embedding: list[float] | None = None
    error: str | None = None


class BatchResults(msgspec.Struct):
    """The rows from `offset` on that are done so far; `next` is the following page's offset, null at the end."""

    job_id: str
    status: State
    rows: int
    offset: int
    next: int | None
    dimensions: int
    results: list[BatchRow]
    model: str
    version: str
    request_id: str
