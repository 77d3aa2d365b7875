"""BentoML service of the hybrid recommender: recommendations, and what users did since the model was trained.

`VITRINA_MODEL` names a model folder or a pointer file (default: the model packed inside), `VITRINA_CATALOGUE` what the
shop sells now (a canonical Parquet that is followed). Events are kept under `VITRINA_HOME`, for all recommenders.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.contracts.recommendation import ProductEvent, RecommendationRequest, Recommendations
from vitrina.families.hybrid_recommender import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.recommending import LiveRecommender, answer, recommend, record
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "hybrid_recommender"
BENTO = Bento(NAME, Path(__file__).parent)
MAX_BODY = 1024 * 1024
TOGETHER = 16
"""Requests of a batch: the products are read from memory once for all of them. More cores are used by more workers."""

image = BENTO.equipped(bentoml.images.Image(**IMAGE))

OPERATION = Operation(
    path="/ai/recommend",
    request=RecommendationRequest,
    response=Recommendations,
    predict=recommend,
    answer=answer,
    record=record,
    example=RecommendationRequest("u000001", events=[ProductEvent("p000001", "cart")]),
    limit=MAX_BODY,
    together=TOGETHER,
    blocking=True,
)


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    catalogue = CurrentCatalogue(settings.catalogue)
    live = LiveHistories.under(settings.home)
    return ModelService(
        lambda folder: LiveRecommender(serving.load(folder), catalogue, live),
        [OPERATION],
        [live.endpoint()],
        **BENTO.arguments(settings),
        parts=[catalogue],
    )


@bentoml.service(image=image, **BENTO.options())
class HybridRecommender:
    """User → products, by all that is known of the user now."""


HybridRecommender.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
