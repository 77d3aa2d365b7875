"""BentoML service of the intent classifier: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside.
BentoML's own access log, metrics and tracing are off: `vitrina.serving` does the same work for less.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.contracts.http import Classification, ClassifyRequest
from vitrina.families.intent_classifier import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "intent_classifier"
BENTO = Bento(NAME, Path(__file__).parent)

image = BENTO.equipped(bentoml.images.Image(**IMAGE))

OPERATION = Operation(
    path="/classify",
    request=ClassifyRequest,
    response=Classification,
    predict=serving.classify,
    answer=serving.answer,
    record=serving.record,
    example=ClassifyRequest("where is my order? it should have arrived yesterday"),
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
class IntentClassifier:
    """Customer message → intent."""


IntentClassifier.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
