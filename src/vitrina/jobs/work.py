"""Answer the requests of a queue, until told to stop."""

from __future__ import annotations

import signal
from threading import Event

from vitrina.jobs.result import JobResult


class WorkResult(JobResult):
    """What was answered when the worker was told to stop."""

    name: str
    version: str
    answered: int
    failed: int


def work(family: str, *, model: str | None = None) -> WorkResult:
    """Load a recommender and answer the queue of its family in `VITRINA_REDIS_URL`; start as many as are needed.

    Without `model` it answers with the champion and follows it.

    Raises:
        UsageError: without a Redis address, with another family's model or one that does not recommend.
    """
    from vitrina.errors import UsageError
    from vitrina.families import catalog
    from vitrina.jobs.switch import champion, pointer_of, source_of
    from vitrina.serving.queue.service import worker_service
    from vitrina.serving.runtime import point
    from vitrina.settings import load_settings

    source = source_of(model or champion(family))
    if source.model != family:
        raise UsageError(f"{model} is a model of {source.model}, not of {family}.")
    follows = model in (None, champion(family))
    pointer = pointer_of(family) if follows else source.folder
    if follows:
        point(pointer, source.folder, source.model, source.version)
    spec = catalog.get(family)
    service, worker = worker_service(family, spec.serving.load, pointer, load_settings())
    stop = Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    service.start()
    loaded = service.runtime.current
    if loaded is None or not hasattr(loaded.predictor.model, "rank"):
        service.close()
        raise UsageError(f"{family} cannot answer a queue: {service.runtime.error or 'it does not recommend'}.")
    stop.wait()
    service.close()
    return WorkResult(name=family, version=source.version, answered=worker.answered, failed=worker.failed)
