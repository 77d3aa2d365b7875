"""BentoML service of the product classifier: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.contracts.product_classification import ProductClassification, ProductClassifyRequest
from vitrina.families.product_classifier import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "product_classifier"
BENTO = Bento(NAME, Path(__file__).parent)
MAX_BODY = 1024 * 1024

image = BENTO.equipped(bentoml.images.Image(**IMAGE))

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
        **BENTO.arguments(settings),
    )


@bentoml.service(image=image, **BENTO.options())
class ProductClassifier:
    """Product → category, attributes, quality, suggestions."""


ProductClassifier.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
