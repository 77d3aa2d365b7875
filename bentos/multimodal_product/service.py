"""BentoML service of the multimodal model: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.contracts.multimodal import MAX_IMAGE, MultimodalAnalysis, MultimodalRequest
from vitrina.families.multimodal_product import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "multimodal_product"
BENTO = Bento(NAME, Path(__file__).parent)
MAX_BODY = MAX_IMAGE * 4 // 3 + 512 * 1024
"""The largest image in base64, and texts."""

image = BENTO.equipped(bentoml.images.Image(**IMAGE))

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
        **BENTO.arguments(settings),
    )


@bentoml.service(image=image, resources={"cpu": "1", "memory": "1Gi"}, **BENTO.options())
class MultimodalProduct:
    """Text, photo, price and metadata of a product → category, quality, price, sentiment, embedding."""


MultimodalProduct.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
