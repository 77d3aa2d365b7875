"""BentoML service of the fashion recommender: `GET /recommendation` through a queue.

With `VITRINA_REDIS_URL` the queue is in Redis and workers answer (`vitrina work fashion_recommender`, or the service in
`bentos/worker`); this service then loads no model. Without it the same interface answers within the process.
`VITRINA_MODEL` names a model folder or a pointer file (default: the model packed inside), `VITRINA_CATALOGUE` what the
shop sells now.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml

from vitrina.families.fashion_recommender import serving
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.http import HttpService
from vitrina.serving.queue import EmbeddedQueue, Queue, RedisQueue
from vitrina.serving.queue.http import endpoints, handler
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.service import ModelService
from vitrina.serving.telemetry import Telemetry
from vitrina.settings import load_settings

NAME = "fashion_recommender"
WORKERS = int(os.environ.get("VITRINA_WORKERS") or 1)
CORES = min(4, os.cpu_count() or 1)  # a container is often allowed fewer than the machine has
PACKED = Path(__file__).parent / "model.json"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"

image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)  # the packed list is locked already
if REQUIREMENTS.is_file():
    image = image.python_packages(*REQUIREMENTS.read_text().split())


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    telemetry = Telemetry()
    cores = max(1, CORES // WORKERS)
    catalogue, live = CurrentCatalogue(settings.catalogue), LiveHistories.under(settings.home)
    queue: Queue
    if settings.redis_url:
        queue = RedisQueue(settings.redis_url, NAME, watch=telemetry.queue)
    else:
        queue = EmbeddedQueue(handler(lambda: service.model()), threads=cores, counted=telemetry.worked)

    def load(folder: Path) -> Any:
        """The recommender; where workers answer, nothing."""
        return None if settings.redis_url else LiveRecommender(serving.load(folder), catalogue, live)

    service = ModelService(
        load,
        (),
        [*endpoints(queue), live.endpoint()],
        source=settings.model or PACKED,
        predictions=settings.predictions or settings.home / "predictions" / NAME,
        name=NAME,
        cores=cores,
        parts=[catalogue, queue],
        telemetry=telemetry,
    )
    return service


@bentoml.service(
    name=NAME,
    workers=WORKERS,
    traffic={"timeout": 10},  # BentoML keeps a timer per request until then: longer means more memory
    image=image,
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # the queue runs the threads; those of BLAS would spin beside
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class FashionRecommender:
    """Customer → products, by the stars that they would give."""


FashionRecommender.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
