"""A worker as a service: the model that a source names, answering a queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vitrina.errors import UsageError
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.queue.http import handler
from vitrina.serving.queue.worker import QueueWorker
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.service import ModelService
from vitrina.serving.telemetry import Telemetry
from vitrina.settings import Settings


def worker_service(
    name: str, load: Callable[[Path], Any], source: Path, settings: Settings
) -> tuple[ModelService, QueueWorker]:
    """A service that follows the recommender which `source` names and answers the queue `name`, and its worker.

    Its log stays empty: who asked logs what was answered.

    Raises:
        UsageError: without a Redis address.
    """
    if not settings.redis_url:
        raise UsageError("A worker needs a queue: set VITRINA_REDIS_URL, e.g. redis://localhost:6379/0.")
    telemetry = Telemetry()
    catalogue, live = CurrentCatalogue(settings.catalogue), LiveHistories.under(settings.home)
    worker = QueueWorker(
        settings.redis_url,
        name,
        handler(lambda: service.runtime.current),
        ready=lambda: service.runtime.current is not None,
        counted=telemetry.worked,
    )
    service = ModelService(
        lambda folder: LiveRecommender(load(folder), catalogue, live),
        (),
        source=source,
        predictions=settings.home / "predictions" / f"{name}-worker",
        name=name,
        parts=[catalogue, worker],
        telemetry=telemetry,
    )
    return service, worker
