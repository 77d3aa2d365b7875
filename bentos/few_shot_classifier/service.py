"""BentoML service of the few-shot classifier: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside. Label sets
are kept in `label_sets` under VITRINA_HOME, which all workers must share.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.contracts.few_shot import Examples, FewShotAnswer, FewShotRequest, LabelSetAnswer, LabelSetList
from vitrina.families.few_shot_classifier import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Endpoint
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "few_shot_classifier"
BENTO = Bento(NAME, Path(__file__).parent)
LABEL_SETS = "/ai/few-shot/label-sets"
MAX_BODY = 16 * 1024 * 1024
"""A few dozen images fit."""

image = BENTO.equipped(bentoml.images.Image(**IMAGE))

EXAMPLE = FewShotRequest(
    classes=[Examples("refund", ["i want my money back"]), Examples("delivery", ["where is my parcel"])],
    texts=["please return what i paid"],
)


def endpoints(api: serving.FewShotApi) -> list[Endpoint]:
    """The routes; each request is answered on its own, on a thread: adapting to its classes is most of the work."""
    one = f"{LABEL_SETS}/{{name}}"
    return [
        Endpoint(
            method="POST",
            path="/ai/few-shot",
            summary="Label texts or images by classes given by example, or by a kept label set.",
            handle=api.label,
            request=FewShotRequest,
            response=FewShotAnswer,
            limit=MAX_BODY,
            example=EXAMPLE,
        ),
        Endpoint("GET", LABEL_SETS, "The names of the kept label sets.", api.names, LabelSetList),
        Endpoint("GET", one, "The classes of a label set.", api.show, LabelSetAnswer),
        Endpoint("DELETE", one, "Forget a label set.", api.delete, LabelSetAnswer),
        Endpoint("DELETE", f"{one}/classes/{{label}}", "Forget one class of a set.", api.remove_class, LabelSetAnswer),
    ]


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    return ModelService(
        serving.load,
        (),
        endpoints(serving.FewShotApi()),
        **BENTO.arguments(settings),
    )


@bentoml.service(image=image, **BENTO.options(timeout=30))
class FewShotClassifier:
    """A few examples of each class → labels."""


FewShotClassifier.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
