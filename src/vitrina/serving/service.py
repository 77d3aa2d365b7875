"""A served model without HTTP: runtime, batcher, log and metrics put together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from vitrina.contracts.http import FeedbackReceipt, FeedbackRecord, FeedbackRequest
from vitrina.serving.batching import Batcher, QueueFull, plan
from vitrina.serving.errors import Refusal
from vitrina.serving.operation import Operation
from vitrina.serving.prediction_log import PredictionLog
from vitrina.serving.runtime import Loaded, Runtime
from vitrina.serving.telemetry import Telemetry

QUEUE = 512


class ModelService:
    """Answers requests with the model that `source` names, logs every prediction and counts it."""

    def __init__(
        self, operation: Operation, source: Path, predictions: Path, name: str, cores: int = 1, queue: int = QUEUE
    ) -> None:
        """`cores` is what this worker may use, `queue` how many requests may wait."""
        self.operation = operation
        self.telemetry = Telemetry()
        self.log = PredictionLog(predictions, self.telemetry.dropped)
        self.runtime = Runtime(source, operation.load, self._warm, name)
        self._cores = cores
        self._queue = queue
        self._batcher: Batcher | None = None

    def start(self) -> None:
        """Load and warm the model, and follow later changes; without a model that loads, answers are 503."""
        self.log.start()
        if self.runtime.refresh() and self.runtime.current is not None:
            self._changed(self.runtime.current)
        self.runtime.watch(self._changed)

    def close(self) -> None:
        """Stop; what waits in the log is written."""
        self.runtime.close()
        if self._batcher is not None:
            self._batcher.close()
        self.log.close()

    async def predict(self, request: Any, request_id: str) -> msgspec.Struct:
        """The answer to one request.

        Raises:
            Refusal: 503 without a model, 429 when too many requests wait.
        """
        if self._batcher is None:
            raise Refusal(503, f"No model is loaded: {self.runtime.error}", headers=((b"retry-after", b"2"),))
        try:
            prediction, source = await self._batcher.submit(request)
        except QueueFull:
            raise Refusal(429, "Too many requests wait; try again.", headers=((b"retry-after", b"1"),)) from None
        self.telemetry.predicted(source.model, prediction.label)
        record = self.operation.record(request, prediction, source.model, source.version, request_id)
        self.log.append(record)
        return self.operation.answer(prediction, source.model, source.version, request_id)

    def feedback(self, request: FeedbackRequest) -> FeedbackReceipt:
        """Keep a true label.

        Raises:
            Refusal: 503 when it cannot be written.
        """
        try:
            self.log.feedback(FeedbackRecord(request.request_id, request.label, datetime.now(UTC)))
        except OSError as error:
            raise Refusal(503, f"Feedback cannot be kept: {error.strerror or error}.") from error
        return FeedbackReceipt(request.request_id)

    def _run(self, requests: list[Any]) -> list[tuple[Any, Any]]:
        """One batch, with the source of the model that ran it: a swap in between cannot mix versions."""
        loaded = self.runtime.current
        assert loaded is not None
        self.telemetry.batch(len(requests))
        predictions = self.operation.predict(loaded.predictor, requests)
        return [(prediction, loaded.source) for prediction in predictions]

    def _warm(self, predictor: Any) -> None:
        self.operation.predict(predictor, [self.operation.example])

    def _changed(self, loaded: Loaded) -> None:
        self.telemetry.loaded(loaded.source.model, loaded.source.version)
        # What waits in the batcher before is still answered by it: it lives until its last request is done.
        self._batcher = Batcher(self._run, plan(loaded.seconds, self._cores), self._queue)
