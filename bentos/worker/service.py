"""BentoML service around a worker of the recommendation queue: health and metrics; `vitrina work` is the same without.

`VITRINA_REDIS_URL` holds the queue, `VITRINA_MODEL` names a model folder or a pointer file, which is followed;
`VITRINA_WORKERS` processes each load it. `/readyz` is 200 once a worker has its model, `/metrics` counts its requests.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.families.fashion_recommender import serving
from vitrina.serving.bento import Bento
from vitrina.serving.http import HttpService
from vitrina.serving.queue.service import worker_service
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

QUEUE = "fashion_recommender"
BENTO = Bento("worker", Path(__file__).parent)


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    return worker_service(QUEUE, serving.load, settings.model or BENTO.packed, settings)[0]


@bentoml.service(**BENTO.options())
class Worker:
    """Answers the recommendation queue."""


Worker.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
