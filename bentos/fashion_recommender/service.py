"""BentoML service of the fashion recommender: `GET /recommendation` through a queue.

With `VITRINA_REDIS_URL` the queue is in Redis and workers answer (`vitrina work fashion_recommender`, or the service in
`bentos/worker`); this service then loads no model. Without it the same interface answers within the process.
`VITRINA_MODEL` names a model folder or a pointer file (default: the model packed inside), `VITRINA_CATALOGUE` what the
shop sells now.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from vitrina.families.fashion_recommender import serving
from vitrina.serving.bento import IMAGE, Bento
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
BENTO = Bento(NAME, Path(__file__).parent)

image = BENTO.equipped(bentoml.images.Image(**IMAGE))


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    telemetry = Telemetry()
    catalogue, live = CurrentCatalogue(settings.catalogue), LiveHistories.under(settings.home)
    queue: Queue
    if settings.redis_url:
        queue = RedisQueue(settings.redis_url, NAME, watch=telemetry.queue)
    else:
        queue = EmbeddedQueue(handler(lambda: service.model()), threads=BENTO.cores, counted=telemetry.worked)

    def load(folder: Path) -> Any:
        """The recommender; where workers answer, nothing."""
        return None if settings.redis_url else LiveRecommender(serving.load(folder), catalogue, live)

    service = ModelService(
        load,
        (),
        [*endpoints(queue), live.endpoint()],
        **BENTO.arguments(settings),
        parts=[catalogue, queue],
        telemetry=telemetry,
    )
    return service


@bentoml.service(image=image, **BENTO.options())
class FashionRecommender:
    """Customer → products, by the stars that they would give."""


FashionRecommender.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
