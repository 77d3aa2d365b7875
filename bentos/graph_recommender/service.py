"""BentoML service of the graph recommender: diverse, explained recommendations, and what users did since training.

`VITRINA_MODEL` names a model folder or a pointer file (default: the model packed inside), `VITRINA_CATALOGUE` what the
shop sells now (a canonical Parquet that is followed). Events are kept under `VITRINA_HOME`, for all recommenders.
"""

from __future__ import annotations

from pathlib import Path

import bentoml
import msgspec

from vitrina.contracts.graph_recommendation import (
    ExplainedProduct,
    GraphRecommendationRequest,
    GraphRecommendations,
    ListQuality,
    Reason,
)
from vitrina.contracts.recommendation import ProductEvent
from vitrina.families.graph_recommender import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.recommending import LiveRecommender, Served, recommend, recommended, record
from vitrina.serving.service import ModelService
from vitrina.settings import load_settings

NAME = "graph_recommender"
BENTO = Bento(NAME, Path(__file__).parent)
MAX_BODY = 1024 * 1024

image = BENTO.equipped(bentoml.images.Image(**IMAGE))


def answer(served: Served, model: str, version: str, request_id: str) -> GraphRecommendations:
    """The body that `POST /ultra/recommendations` answers."""
    listed: serving.Listed | None = served.ranked.extra
    products = [ExplainedProduct(**msgspec.structs.asdict(each)) for each in recommended(served)]
    for product, why in zip(products, listed.because if listed else [], strict=False):  # nobody's history: no reasons
        product.because = [reason(served, each) for each in why]
    return GraphRecommendations(
        recommendations=products,
        cold_start=served.ranked.cold,
        user_known=served.user_known,
        model=model,
        version=version,
        request_id=request_id,
        quality=ListQuality(**vars(listed.measures)) if listed else None,
    )


def reason(served: Served, why: serving.Because) -> Reason:
    """A product of the history that speaks for a recommended one."""
    shelf = served.shelf
    return Reason(
        product_id=shelf.ids[why.place],
        title=shelf.titles[why.place] or shelf.ids[why.place],
        share=why.share,
        bought=why.bought,
        customers_bought=why.both_bought,
        customers_chose=why.both_chosen,
    )


OPERATION = Operation(
    path="/ultra/recommendations",
    request=GraphRecommendationRequest,
    response=GraphRecommendations,
    predict=recommend,
    answer=answer,
    record=record,
    example=GraphRecommendationRequest("u000001", events=[ProductEvent("p000001", "cart")]),
    limit=MAX_BODY,
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
class GraphRecommender:
    """User → products that differ, each with the reason why."""


GraphRecommender.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
