"""BentoML service of the few-shot classifier: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside. Label sets
are kept in `label_sets` under VITRINA_HOME, which all workers must share.
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml

from vitrina.contracts.few_shot import Examples, FewShotAnswer, FewShotRequest, LabelSetAnswer, LabelSetList
from vitrina.families.few_shot_classifier import serving
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Endpoint
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "few_shot_classifier"
WORKERS = int(os.environ.get("VITRINA_WORKERS") or 1)
CORES = min(4, os.cpu_count() or 1)  # a container is often allowed fewer than the machine has
PACKED = Path(__file__).parent / "model.json"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
LABEL_SETS = "/ai/few-shot/label-sets"
MAX_BODY = 16 * 1024 * 1024
"""A few dozen images fit."""

image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)  # the packed list is locked already
if REQUIREMENTS.is_file():
    image = image.python_packages(*REQUIREMENTS.read_text().split())

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
        source=settings.model or PACKED,
        predictions=settings.predictions or settings.home / "predictions" / NAME,
        name=NAME,
        cores=max(1, CORES // WORKERS),
    )


@bentoml.service(
    name=NAME,
    workers=WORKERS,
    traffic={"timeout": 30},  # BentoML keeps a timer per request until then: longer means more memory
    image=image,
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # the batcher runs the threads; those of BLAS would spin beside
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class FewShotClassifier:
    """A few examples of each class → labels."""


FewShotClassifier.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
