"""BentoML service of the product classifier: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml

from vitrina.contracts.product_classification import ProductClassification, ProductClassifyRequest
from vitrina.families.product_classifier import serving
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "product_classifier"
WORKERS = int(os.environ.get("VITRINA_WORKERS") or 1)
CORES = min(4, os.cpu_count() or 1)  # a container is often allowed fewer than the machine has
PACKED = Path(__file__).parent / "model.json"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
MAX_BODY = 1024 * 1024

image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)  # the packed list is locked already
if REQUIREMENTS.is_file():
    image = image.python_packages(*REQUIREMENTS.read_text().split())

OPERATION = Operation(
    path="/ai/classify",
    request=ProductClassifyRequest,
    response=ProductClassification,
    predict=serving.classify,
    answer=serving.answer,
    record=serving.record,
    example=ProductClassifyRequest(
        "Blue cotton shirt with short sleeves", price=19.9, currency="EUR", review="Soft, and it fits me well."
    ),
    limit=MAX_BODY,
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
    traffic={"timeout": 10},  # BentoML keeps a timer per request until then: longer means more memory
    image=image,
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # the batcher runs the threads; those of BLAS would spin beside
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class ProductClassifier:
    """Product → category, attributes, quality, suggestions."""


ProductClassifier.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
