"""The product embedder's routes in process: a real exported model and a real index; no socket, no BentoML."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bentos.product_embedder import service as bento
from tests.in_process import InProcess
from vitrina import watching
from vitrina.artifacts import write_manifest
from vitrina.contracts.products import Product
from vitrina.families.product_embedder import serving
from vitrina.jobs import index_build
from vitrina.monitoring.predictions import read_window
from vitrina.serving.service import ModelService

BATCH = "/ultra/embeddings/batch"
SHIRT = {"title": "red wool shirt", "category": "Clothing > Shirts", "price": 12.5, "currency": "EUR"}


class Client(InProcess):
    """Calls a started service, waits for its jobs, reads its metrics."""

    def __init__(self, service: ModelService) -> None:
        super().__init__(service)
        self.service = service

    def finished(self, job: str, seconds: float = 60) -> dict[str, Any]:
        """The status of a job once it is done."""
        deadline = time.monotonic() + seconds
        while (status := self("GET", f"{BATCH}/{job}").json())["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return dict(status)

    def metric(self, line: str) -> float:
        """The value of a metric; 0 where it was never counted."""
        lines = self("GET", "/metrics").text.splitlines()
        return next((float(each.rpartition(" ")[2]) for each in lines if each.startswith(line)), 0.0)


Start = Callable[..., Client]


@pytest.fixture
def start(embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts services with these settings."""
    services: list[ModelService] = []

    def make(**settings: Any) -> Client:
        given = {"home": tmp_path / "home", "model": embedder_folder, **settings}
        for name, value in given.items():
            monkeypatch.setenv(f"VITRINA_{name.upper()}", str(value))
        services.append(bento.build())
        services[-1].start()
        return Client(services[-1])

    yield make
    for service in services:
        service.close()


@pytest.fixture
def client(start: Start) -> Client:
    return start()


def vectors_of(response: httpx.Response) -> np.ndarray:
    return np.array([each["embedding"] for each in response.json()["embeddings"]])


def test_products_become_unit_vectors_as_the_model_makes_them(client: Client, embedder_folder: Path) -> None:
    response = client("POST", "/ai/embeddings", json={"products": [SHIRT, {"title": "green bag", "product_id": "b"}]})
    assert response.status_code == 200
    expected = serving.load(embedder_folder).embed_products([Product(**SHIRT), Product("green bag")])
    assert np.allclose(vectors_of(response), expected, atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors_of(response), axis=1), 1, atol=1e-5)
    answer = response.json()
    assert [each["product_id"] for each in answer["embeddings"]] == [None, "b"]
    assert [each["price_used"] for each in answer["embeddings"]] == [True, False]
    assert answer["dimensions"] == 768
    assert answer["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("size", [256, 128])
def test_shorter_vectors_are_the_start_of_the_long_ones_at_length_one(client: Client, size: int) -> None:
    whole = vectors_of(client("POST", "/ai/embeddings", json={"product": SHIRT}))
    short = vectors_of(client("POST", "/ai/embeddings", json={"product": SHIRT, "dimensions": size}))
    assert short.shape == (1, size)
    assert np.allclose(short, whole[:, :size] / np.linalg.norm(whole[:, :size]), atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "product"),
        ({"product": SHIRT, "products": [SHIRT]}, 422, "product"),
        ({"products": []}, 422, "products"),
        ({"products": [SHIRT] * 65}, 422, "products"),
        ({"product": {"title": " "}}, 422, "blank"),
        ({"product": {"title": "a", "price": -1}}, 422, "price"),
        ({"product": {"title": "a", "price": "cheap"}}, 422, "price"),
        ({"product": SHIRT, "dimensions": 300}, 422, "768, 256, 128"),
        ({"product": {"title": "a", "price": 0, "currency": "XXX"}}, 200, ""),
        ({"product": {"title": "a", "description": "d" * 100_000}}, 200, ""),
        ({"product": {"title": "a", "description": "d" * 100_001}}, 422, "description"),
        ({"product": {"title": "a", "category": "Never > Seen"}}, 200, ""),
    ],
)
def test_odd_products(client: Client, body: Any, status: int, said: str) -> None:
    response = client("POST", "/ai/embeddings", json=body)
    assert response.status_code == status
    if status != 200:
        assert said in response.json()["error"]["message"]


def test_one_refused_request_spares_the_others_of_its_batch(client: Client) -> None:
    bodies = [{"product": SHIRT, "dimensions": size} for size in (768, 300, 256, 5)]
    responses = client.all([("POST", "/ai/embeddings", {"json": body}) for body in bodies])
    assert [response.status_code for response in responses] == [200, 422, 200, 422]


def test_a_product_is_embedded_once_and_its_answers_are_logged_each_time(client: Client) -> None:
    for product_id in ("a", "b", "c"):
        client("POST", "/ai/embeddings", json={"product": {**SHIRT, "product_id": product_id}})
    assert client.metric('vitrina_cache_total{outcome="hit",tier="memory"}') == 2
    assert client.metric('vitrina_cache_total{outcome="miss",tier="memory"}') == 1
    client.service.log.flush()
    assert list(read_window(client.service.log.folder).frame["title"]) == ["red wool shirt"] * 3


def test_without_a_cache_the_answers_are_the_same(client: Client, start: Start) -> None:
    uncached = start(cache_mb=0)
    answers = [vectors_of(each("POST", "/ai/embeddings", json={"product": SHIRT})) for each in (client, uncached)]
    assert np.array_equal(*answers)
    assert uncached.metric("vitrina_cache_total") == 0


def search(client: Client, **body: Any) -> httpx.Response:
    return client("POST", "/ai/search", json=body)


def hits(client: Client, **body: Any) -> list[dict[str, Any]]:
    response = search(client, **body)
    assert response.status_code == 200, response.text
    return list(response.json()["hits"])


@pytest.mark.parametrize("mode", ["vector", "hybrid", "lexical"])
def test_a_product_of_the_catalogue_is_found_first(start: Start, index_folder: Path, mode: str) -> None:
    client = start(index=index_folder)
    product = {"title": "red bag number 32", "category": "Shop > bag", "price": 32, "currency": "EUR"}
    found = hits(client, product=product, mode=mode, k=5)
    assert found[0]["product_id"] == "p32"
    assert len(found) == 5
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)


def test_filters_limit_what_is_found(start: Start, index_folder: Path) -> None:
    client = start(index=index_folder)
    limits = {"category": "Shop > shoes", "min_price": 10, "max_price": 20, "language": "en", "currency": "EUR"}
    found = hits(client, query="shoes", filters=limits, k=100)
    assert {each["product_id"] for each in found} == {"p10", "p13", "p16", "p19"}
    assert hits(client, query="shoes", filters={"category": "Garden"}) == []
    assert len(hits(client, query="shoes", k=100)) == 60


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": "a", "product": SHIRT},
        {"query": "  "},
        {"query": "a", "k": 0},
        {"query": "a", "k": 101},
        {"query": "a", "mode": "psychic"},
        {"query": "a", "filters": {"min_price": 5, "max_price": 4}},
        {"query": "a", "filters": {"min_price": "cheap"}},
    ],
)
def test_a_search_that_makes_no_sense_is_422(start: Start, index_folder: Path, body: Any) -> None:
    assert search(start(index=index_folder), **body).status_code == 422


def test_without_an_index_search_is_503_and_says_so(client: Client, start: Start, tmp_path: Path) -> None:
    response = search(client, query="shirt")
    assert response.status_code == 503
    assert "VITRINA_INDEX" in response.json()["error"]["message"]
    response = search(start(index=tmp_path / "nowhere"), query="shirt")
    assert response.status_code == 503
    assert "nowhere" in response.json()["error"]["message"]
    assert client("POST", "/ai/embeddings", json={"product": SHIRT}).status_code == 200


def test_an_index_of_another_model_version_is_503_but_for_words(
    start: Start, index_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(embedder_folder, tmp_path / "other"))
    write_manifest(other, family="product_embedder", seed=8)
    client = start(index=index_folder, model=other)
    for mode in ("vector", "hybrid"):
        response = search(client, query="shirt", mode=mode)
        assert response.status_code == 503
        assert "was built by product_embedder version" in response.json()["error"]["message"]
    assert len(hits(client, query="shirt", mode="lexical")) == 10


def test_an_index_that_appears_or_is_replaced_is_searched_without_a_restart(
    start: Start, embedder_folder: Path, catalogue_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.05)
    folder = tmp_path / "index"
    client = start(index=folder)
    assert search(client, query="shirt").status_code == 503
    for count in (5, 7):
        index_build(str(embedder_folder), catalogue_of(count), str(folder))
        deadline = time.monotonic() + 20
        while (response := search(client, query="shirt")).json().get("searched") != count:
            assert response.status_code == (503 if count == 5 else 200)
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_damaged_new_index_leaves_the_old_one_in_use(
    start: Start, index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.05)
    folder = Path(shutil.copytree(index_folder, tmp_path / "index"))
    client = start(index=folder)
    (folder / "index.json").write_text('{"engine": ')
    time.sleep(0.3)
    assert len(hits(client, query="shirt")) == 10


def submit(client: Client, products: list[Any], key: str | None = None, **options: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client("POST", BATCH, json={"products": products, **options}, headers=headers)


def test_a_batch_is_taken_in_embedded_and_read_in_pages(client: Client, embedder_folder: Path) -> None:
    products = [{"title": f"red shirt {n} " + "wool " * (n % 9), "product_id": f"p{n}"} for n in range(150)]
    taken = submit(client, products)
    assert taken.status_code == 202
    assert taken.json()["rows"] == 150
    status = client.finished(taken.json()["job_id"])
    assert (status["status"], status["succeeded"], status["failed"], status["progress"]) == ("done", 150, 0, 1.0)
    assert status["url"] == f"{BATCH}/{status['job_id']}"
    pages, offset = [], 0
    while offset is not None:
        page = client("GET", f"{status['url']}/results?offset={offset}&limit=64").json()
        pages.append([each["row"] for each in page["results"]])
        if offset == 64:
            assert page["results"][0]["product_id"] == "p64"
            one = serving.load(embedder_folder).embed_products([Product(**products[64])])[0]
            assert np.dot(page["results"][0]["embedding"], one) > 0.999  # int8: the neighbours of a run count a little
        offset = page["next"]
    assert pages == [list(range(64)), list(range(64, 128)), list(range(128, 150))]


def test_bad_rows_are_reported_and_the_good_ones_embedded(client: Client) -> None:
    products = [
        SHIRT,
        {"product_id": "x", "price": 3},
        {"product_id": "y", "title": "a", "price": -1},
        "not a product",
        {"title": "good", "product_id": "z", "price": 0, "currency": "XXX"},
        {"title": ""},
    ]
    status = client.finished(submit(client, products, dimensions=128).json()["job_id"])
    assert (status["succeeded"], status["failed"]) == (2, 4)
    assert [(each["row"], each["product_id"]) for each in status["errors"]] == [
        (1, "x"),
        (2, "y"),
        (3, None),
        (5, None),
    ]
    assert "product.title" in status["errors"][0]["message"]
    assert "product.price" in status["errors"][1]["message"]
    results = client("GET", f"{status['url']}/results").json()
    assert results["dimensions"] == 128
    assert [each["embedding"] and len(each["embedding"]) for each in results["results"]] == [
        128,
        *[None] * 3,
        128,
        None,
    ]
    assert client.metric('vitrina_job_rows_total{outcome="succeeded"}') == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"products": []}', 422),
        (b"{}", 422),
        (json.dumps({"products": [SHIRT] * 1001}).encode(), 422),
        (json.dumps({"products": [SHIRT], "dimensions": 5}).encode(), 422),
        (b'{"products": [{"title": "a"}', 400),
        (b'{"products": [{"title": "\xff"}]}', 400),
        (b'{"products": [{"title": "a", "description": "' + b"x" * 8 * 2**20 + b'"}]}', 413),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(client: Client, body: bytes, status: int) -> None:
    assert client("POST", BATCH, content=body).status_code == status


def test_the_same_job_twice_is_one_job(client: Client) -> None:
    first = submit(client, [SHIRT], key="night-1").json()["job_id"]
    assert submit(client, [SHIRT], key="night-1").json()["job_id"] == first
    assert submit(client, [SHIRT], key="night-2").json()["job_id"] != first
    assert submit(client, [SHIRT, SHIRT], key="night-1").status_code == 409
    assert submit(client, [SHIRT], key="x" * 201).status_code == 422


def test_a_cancelled_job_stays_cancelled_and_unknown_jobs_are_404(client: Client) -> None:
    client.service.runtime.current, loaded = None, client.service.runtime.current  # nothing runs meanwhile
    assert submit(client, [SHIRT]).status_code == 503
    client.service.runtime.current = loaded
    job = submit(client, [{"title": f"shirt {n}"} for n in range(1000)]).json()["url"]
    cancelled = client("DELETE", job).json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["done"] < 1000
    time.sleep(0.3)
    assert client("GET", job).json()["done"] == cancelled["done"]
    for method, path in (
        ("GET", BATCH + "/nothing"),
        ("DELETE", BATCH + "/nothing"),
        ("GET", BATCH + "/nothing/results"),
    ):
        response = client(method, path)
        assert response.status_code == 404
        assert "24 hours" in response.json()["error"]["message"]


def test_jobs_that_cannot_be_kept_are_503(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home" / "jobs" / "product_embedder.sqlite").mkdir(parents=True)
    client = start()
    response = submit(client, [SHIRT])
    assert response.status_code == 503
    assert "cannot be kept" in response.json()["error"]["message"]
    assert client("POST", "/ai/embeddings", json={"product": SHIRT}).status_code == 200


def test_every_route_is_documented_with_an_example_that_works(start: Start, index_folder: Path) -> None:
    client = start(index=index_folder)
    paths = client("GET", "/docs.json").json()["paths"]
    assert set(paths[f"{BATCH}/{{id}}"]) == {"get", "delete"}
    for path in ("/ai/embeddings", "/ai/search", BATCH):
        example = paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert client("POST", path, json=example).status_code in (200, 202)
