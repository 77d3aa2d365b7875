"""BentoML service of the product describer: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml

from vitrina.contracts.product_description import DescriptionRequest, GeneratedDescription
from vitrina.families.product_describer import serving
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "product_describer"
WORKERS = int(os.environ.get("VITRINA_WORKERS") or 1)
CORES = min(4, os.cpu_count() or 1)  # a container is often allowed fewer than the machine has
PACKED = Path(__file__).parent / "model.json"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
MAX_BODY = 512 * 1024

image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)  # the packed list is locked already
if REQUIREMENTS.is_file():
    image = image.python_packages(*REQUIREMENTS.read_text().split())

OPERATION = Operation(
    path="/ai/generate-description",
    request=DescriptionRequest,
    response=GeneratedDescription,
    predict=serving.describe,
    answer=serving.answer,
    record=serving.record,
    example=DescriptionRequest(
        "Oak table",
        brand="Oak & Tide",
        price=249.0,
        currency="EUR",
        attributes={"colour": "brown", "material": "oak"},
        tone="friendly",
        keywords=["table"],
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
    traffic={"timeout": 60},  # BentoML keeps a timer per request until then: longer means more memory
    image=image,
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # the batcher runs the threads; those of BLAS would spin beside
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class ProductDescriber:
    """Product features → description, faithful to what is given."""


ProductDescriber.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
