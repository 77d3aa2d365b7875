"""A service without HTTP: endpoints, log and metrics; around a model with its runtime and batchers, or without one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from vitrina.contracts.http import FeedbackReceipt, FeedbackRecord, FeedbackRequest, Refusal
from vitrina.serving.batching import Batcher, Plan, QueueFull, plan
from vitrina.serving.operation import Call, Endpoint, Operation
from vitrina.serving.prediction_log import PredictionLog
from vitrina.serving.runtime import Loaded, Runtime
from vitrina.serving.telemetry import Telemetry

QUEUE = 512


class Part(Protocol):
    """Something that lives as long as the service: a worker for background jobs, a watched index."""

    def start(self) -> None:
        """Begin; the model may not be loaded yet."""

    def close(self) -> None:
        """Stop, waiting for what is being done."""


class Service:
    """Endpoints with what every service has: a prediction log, metrics, threads and parts that live as long as it."""

    operations: tuple[Operation, ...] = ()

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        predictions: Path,
        name: str,
        version: str = "",
        cores: int = 1,
        queue: int = QUEUE,
        parts: Sequence[Part] = (),
        telemetry: Telemetry | None = None,
    ) -> None:
        """`predictions` is the log's folder.

        Args:
            version: of a service that serves no model; what `/readyz` says.
            cores: what this worker may use.
            queue: how many requests may wait, for each operation and for all plain endpoints together.
            parts: started with the service and closed with it.
            telemetry: where parts that were made before count too; default: a new one.
        """
        self.name = name
        self.version = version
        self.endpoints = (*endpoints, _feedback_endpoint(self.feedback))
        self.telemetry = telemetry or Telemetry()
        self.log = PredictionLog(predictions, self.telemetry.dropped)
        self._parts = tuple(parts)
        self._queue = queue
        self._pool = ThreadPoolExecutor(cores, "model")
        self._calls = 0

    def start(self) -> None:
        """Begin to log, and start the parts."""
        self.log.start()
        for part in self._parts:
            part.start()

    def close(self) -> None:
        """Stop; what waits in the log is written."""
        for part in self._parts:
            part.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.log.close()

    def serves(self) -> tuple[str, str]:
        """Name and version of what answers.

        Raises:
            Refusal: 503 when requests cannot be answered yet.
        """
        return self.name, self.version

    def model(self) -> Loaded:
        """The model in use.

        Raises:
            Refusal: 503 when there is none.
        """
        raise Refusal(503, "This service has no model.")

    async def call(self, endpoint: Endpoint, call: Call) -> Any:
        """What an endpoint answers to `call`.

        Raises:
            Refusal: 429 when too many calls wait, or what the endpoint refuses.
        """
        if inspect.iscoroutinefunction(endpoint.handle):
            return await endpoint.handle(call)
        if self._calls >= self._queue:
            raise _busy()
        self._calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, endpoint.handle, call)
        finally:
            self._calls -= 1

    def feedback(self, call: Call) -> FeedbackReceipt:
        """Keep a true label.

        Raises:
            Refusal: 503 when it cannot be written.
        """
        request: FeedbackRequest = call.request
        try:
            self.log.feedback(FeedbackRecord(request.request_id, request.label, datetime.now(UTC)))
        except OSError as error:
            raise Refusal(503, f"Feedback cannot be kept: {error.strerror or error}.") from error
        return FeedbackReceipt(request.request_id)


class ModelService(Service):
    """Answers requests with the one model that `source` names, logs predictions and counts them."""

    def __init__(
        self,
        load: Callable[[Path], Any],
        operations: Sequence[Operation],
        endpoints: Sequence[Endpoint] = (),
        *,
        source: Path,
        predictions: Path,
        name: str,
        cores: int = 1,
        queue: int = QUEUE,
        parts: Sequence[Part] = (),
        telemetry: Telemetry | None = None,
    ) -> None:
        """`load(folder)` makes the predictor that all operations share; the rest is `Service`'s."""
        super().__init__(
            endpoints,
            predictions=predictions,
            name=name,
            cores=cores,
            queue=queue,
            parts=parts,
            telemetry=telemetry,
        )
        self.operations = tuple(operations)
        self.runtime = Runtime(source, load, [operation.warm_up for operation in self.operations], name)
        self._cores = cores
        self._batchers: dict[str, Batcher] = {}

    def start(self) -> None:
        """Load and warm the model, and follow later changes; without a model that loads, answers are 503."""
        if self.runtime.refresh() and self.runtime.current is not None:
            self._changed(self.runtime.current)
        self.runtime.watch(self._changed)
        super().start()

    def close(self) -> None:
        """Stop; what waits in the log is written."""
        self.runtime.close()
        super().close()

    def serves(self) -> tuple[str, str]:
        """See `Service`."""
        source = self.model().source
        return source.model, source.version

    def model(self) -> Loaded:
        """The model in use.

        Raises:
            Refusal: 503 when there is none.
        """
        if self.runtime.current is None:
            raise Refusal(503, f"No model is loaded: {self.runtime.error}", headers=((b"retry-after", b"2"),))
        return self.runtime.current

    async def predict(self, operation: Operation, request: Any, request_id: str) -> msgspec.Struct:
        """The answer to one request.

        Raises:
            Refusal: 503 without a model, 429 when too many requests wait, or what the operation refuses.
        """
        batcher = self._batchers.get(operation.path)
        if batcher is None:
            self.model()
            raise Refusal(503, "The model is being loaded.", headers=((b"retry-after", b"1"),))
        try:
            prediction, source = await batcher.submit(request)
        except QueueFull:
            raise _busy() from None
        if isinstance(prediction, Refusal):
            raise prediction
        label = getattr(prediction, "label", None)
        if label is not None:
            self.telemetry.predicted(source.model, label)
        if operation.record is not None:
            self.log.append(operation.record(request, prediction, source.model, source.version, request_id))
        return operation.answer(prediction, source.model, source.version, request_id)

    def _run(self, operation: Operation, requests: list[Any]) -> list[tuple[Any, Any]]:
        """One batch, with the source of the model that ran it: a swap in between cannot mix versions."""
        loaded = self.runtime.current
        assert loaded is not None
        self.telemetry.batch(len(requests))
        predictions = operation.predict(loaded.predictor, requests)
        return [(prediction, loaded.source) for prediction in predictions]

    def _changed(self, loaded: Loaded) -> None:
        self.telemetry.loaded(loaded.source.model, loaded.source.version)
        # What waits in the batchers before is still answered by them: they live until their last request is done.
        self._batchers = {
            operation.path: self._batcher(operation, seconds)
            for operation, seconds in zip(self.operations, loaded.seconds, strict=True)
        }

    def _batcher(self, operation: Operation, seconds: float) -> Batcher:
        def run(requests: list[Any]) -> list[tuple[Any, Any]]:
            return self._run(operation, requests)

        how = plan(seconds, self._cores, operation.blocking)
        if operation.together:
            how = Plan(operation.together, threads=1)
        return Batcher(run, how, self._queue, self._pool, operation.size)


def _busy() -> Refusal:
    return Refusal(429, "Too many requests wait; try again.", headers=((b"retry-after", b"1"),))


def _feedback_endpoint(handle: Callable[[Call], FeedbackReceipt]) -> Endpoint:
    return Endpoint(
        method="POST",
        path="/feedback",
        summary="Keep the true label of an answered request.",
        handle=handle,
        request=FeedbackRequest,
        response=FeedbackReceipt,
        example=FeedbackRequest("3f2a…", "refund"),
    )
