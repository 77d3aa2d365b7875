"""BentoML service of the multimodal model: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml

from vitrina.contracts.multimodal import MAX_IMAGE, MultimodalAnalysis, MultimodalRequest
from vitrina.families.multimodal_product import serving
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "multimodal_product"
WORKERS = int(os.environ.get("VITRINA_WORKERS") or 1)
CORES = min(4, os.cpu_count() or 1)  # a container is often allowed fewer than the machine has
PACKED = Path(__file__).parent / "model.json"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
MAX_BODY = MAX_IMAGE * 4 // 3 + 512 * 1024
"""The largest image in base64, and texts."""

image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)  # the packed list is locked already
if REQUIREMENTS.is_file():
    image = image.python_packages(*REQUIREMENTS.read_text().split())

OPERATION = Operation(
    path="/ultra/multimodal/analyze",
    request=MultimodalRequest,
    response=MultimodalAnalysis,
    predict=serving.analyze,
    answer=serving.answer,
    record=serving.record,
    example=MultimodalRequest(
        title="Blue cotton shirt with short sleeves",
        image=serving.EXAMPLE_IMAGE,
        price=19.9,
        currency="EUR",
        review="Soft, and it fits me well.",
    ),
    limit=MAX_BODY,
    form=True,
)


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    return ModelService(
        serving.load,
        [OPERATION],
        source=settings.model or PACKED,
        predictions=settings.predictions or settings.home / "predictions" / NAME,
        name=NAME,
        cores=max(1, CORES // WORKERS),
    )


@bentoml.service(
    name=NAME,
    workers=WORKERS,
    resources={"cpu": "1", "memory": "1Gi"},
    traffic={"timeout": 10},  # BentoML keeps a timer per request until then: longer means more memory
    image=image,
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # the batcher runs the threads; those of BLAS would spin beside
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class MultimodalProduct:
    """Text, photo, price and metadata of a product → category, quality, price, sentiment, embedding."""


MultimodalProduct.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
