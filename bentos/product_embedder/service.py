"""BentoML service of the product embedder: embeddings, search, and background jobs for many products.

`VITRINA_MODEL` names a model folder or a pointer file (default: the model packed inside), `VITRINA_INDEX` the index
that `/ai/search` searches, `VITRINA_REDIS_URL` a cache that services share. A changed pointer or index is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bentoml
import msgspec
import numpy as np

from vitrina.artifacts import folder_version
from vitrina.contracts.http import Refusal
from vitrina.contracts.product_embeddings import Embeddings, EmbeddingsRequest
from vitrina.contracts.products import Product
from vitrina.contracts.search import SearchHit, SearchRequest, SearchResults
from vitrina.errors import VitrinaError
from vitrina.families.layers.products import product_text
from vitrina.families.product_embedder import serving
from vitrina.search import Filters, Hit
from vitrina.search.engine import check_version
from vitrina.search.following import FollowedIndex
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.cache import EmbeddingCache, MemoryTier, Tier, key_of
from vitrina.serving.http import HttpService
from vitrina.serving.operation import Operation
from vitrina.serving.redis_tier import RedisTier
from vitrina.serving.service import ModelService
from vitrina.serving.tasks.embeddings import EmbeddingJobs, work
from vitrina.serving.tasks.runner import JobRunner
from vitrina.serving.tasks.store import JobStore
from vitrina.serving.telemetry import Telemetry
from vitrina.settings import Settings, load_settings

NAME = "product_embedder"
BENTO = Bento(NAME, Path(__file__).parent)
MAX_BODY = 1024 * 1024
JOB_SECONDS = 24 * 3600
"""How long a finished job and its results are kept."""

MOST_JOBS = 100
EXAMPLE = Product("Blue cotton shirt with short sleeves", category="Clothing > Shirts", price=19.9, currency="EUR")

image = BENTO.equipped(bentoml.images.Image(**IMAGE))


class CachedEmbedder:
    """The family's predictor behind a cache."""

    def __init__(self, predictor: serving.EmbedderPredictor, version: str, cache: EmbeddingCache) -> None:
        """`version` tells this model's vectors from those of every other, in the cache and in an index."""
        self.plain = predictor
        self.version = version
        self._cache = cache
        self.dimension = predictor.dimension
        self.dimensions = predictor.dimensions
        self.cut = predictor.cut

    def embed_products(self, products: Sequence[Product]) -> np.ndarray:
        """(products, dimension) float32, L2-normalised."""
        keys = [key_of(self.version, _content(product)) for product in products]
        return self._cache.vectors(
            keys, self.dimension, lambda rows: self.plain.embed_products([products[row] for row in rows])
        )

    def predict(self, products: Sequence[Product]) -> list[serving.EmbeddedProduct]:
        """One prediction per product, in order."""
        return self.plain.described(products, self.embed_products(products))


def _content(product: Product) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(product, product_id=None))


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a search found."""

    hits: list[Hit]
    searched: int
    request: SearchRequest


class Search:
    """`POST /ai/search` on an index that is followed."""

    def __init__(self, index: FollowedIndex) -> None:
        self._index = index

    def predict(self, embedder: CachedEmbedder, requests: list[SearchRequest]) -> list[Found | Refusal]:
        """Search for each; the queries are embedded together."""
        wanted = [request for request in requests if request.mode != "lexical"]
        vectors = iter(embedder.embed_products([_sought(request) for request in wanted]))
        return [self._one(embedder, each, None if each.mode == "lexical" else next(vectors)) for each in requests]

    def _one(self, embedder: CachedEmbedder, request: SearchRequest, vector: np.ndarray | None) -> Found | Refusal:
        try:
            index = self._index.current()
            if vector is not None:
                check_version(index.facts, embedder.version, "of this service")
            filters = Filters(**msgspec.structs.asdict(request.filters)) if request.filters else None
            text = request.query or product_text(_sought(request), category=True)
            hits = index.search(text, vector, k=request.k, filters=filters, mode=request.mode)
        except VitrinaError as error:
            return Refusal(503, str(error), headers=((b"retry-after", b"5"),))
        return Found(hits, index.facts.rows, request)

    def answer(self, found: Found, model: str, version: str, request_id: str) -> SearchResults:
        """The body that `POST /ai/search` answers."""
        hits = [SearchHit(*(getattr(hit, name) for name in SearchHit.__struct_fields__)) for hit in found.hits]
        return SearchResults(hits, found.searched, found.request.mode, model, version, request_id)


def _sought(request: SearchRequest) -> Product:
    """A query lies in the space of the products as a product with only a title."""
    return request.product or Product(request.query or "")


def operations(index: FollowedIndex) -> list[Operation]:
    """The routes that run in batches."""
    search = Search(index)
    return [
        Operation(
            path="/ai/embeddings",
            request=EmbeddingsRequest,
            response=Embeddings,
            predict=serving.embed,
            answer=serving.answer,
            record=serving.record,
            example=EmbeddingsRequest(EXAMPLE),
            limit=MAX_BODY,
            size=lambda request: len(request.all()),
            warm=lambda embedder: embedder.plain.embed_products([EXAMPLE]),
            blocking=True,
        ),
        Operation(
            path="/ai/search",
            request=SearchRequest,
            response=SearchResults,
            predict=search.predict,
            answer=search.answer,
            example=SearchRequest("blue shirt for men"),
            warm=lambda embedder: embedder.plain.embed_queries(["blue shirt for men"]),
            blocking=True,
        ),
    ]


def tiers(settings: Settings, telemetry: Telemetry) -> list[Tier]:
    """Where embeddings are kept, nearest first."""
    found: list[Tier] = [MemoryTier(settings.cache_mb * 2**20)] if settings.cache_mb else []
    return found + ([RedisTier(settings.redis_url, telemetry.cached)] if settings.redis_url else [])


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    telemetry = Telemetry()
    cache = EmbeddingCache(tiers(settings, telemetry), telemetry.cached)
    index = FollowedIndex(settings.index)
    store = JobStore(settings.home / "jobs" / f"{NAME}.sqlite", kept=JOB_SECONDS, most=MOST_JOBS)
    runner = JobRunner(store, work, lambda: service.runtime.current, threads=BENTO.cores, counted=telemetry.rows)
    service = ModelService(
        lambda folder: CachedEmbedder(serving.load(folder), folder_version(folder), cache),
        operations(index),
        EmbeddingJobs(NAME, store, runner).endpoints(),
        **BENTO.arguments(settings),
        parts=[index, runner],
        telemetry=telemetry,
    )
    return service


@bentoml.service(image=image, **BENTO.options())
class ProductEmbedder:
    """Products and queries → vectors; the catalogue searched by them."""


ProductEmbedder.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
