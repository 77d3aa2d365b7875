"""BentoML service of the product describer: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.contracts.product_description import DescriptionRequest, GeneratedDescription
from vitrina.families.product_describer import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "product_describer"
BENTO = Bento(NAME, Path(__file__).parent)
MAX_BODY = 512 * 1024

image = BENTO.equipped(bentoml.images.Image(**IMAGE))

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
        **BENTO.arguments(settings),
    )


@bentoml.service(image=image, **BENTO.options(timeout=60))
class ProductDescriber:
    """Product features → description, faithful to what is given."""


ProductDescriber.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
