"""`POST /ai/classify` as callers use it: in process for every answer, and once through `bentoml serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.product_classifier.service import MAX_BODY, NAME, OPERATION
from tests.in_process import InProcess
from vitrina.families.product_classifier import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving.service import ModelService

PATH = "/ai/classify"
BENTO = Path(__file__).parents[2] / "bentos" / NAME
SHIRT = {
    "title": "red shirt wool warm number 3",
    "description": "A red shirt for every day.",
    "price": 12.5,
    "currency": "EUR",
    "review": "lovely perfect great",
}

Post = Callable[[Any], httpx.Response]


@pytest.fixture(scope="module")
def running(
    product_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Post, ModelService, Path]]:
    log = tmp_path_factory.mktemp("log")
    service = ModelService(serving.load, [OPERATION], source=product_folder, predictions=log, name=NAME)
    service.start()
    client = InProcess(service)
    yield partial(client.post, PATH), service, log
    service.close()


@pytest.fixture(scope="module")
def post(running: tuple[Post, ModelService, Path]) -> Post:
    return running[0]


def test_a_product_gets_its_category_attributes_quality_and_sentiment(post: Post) -> None:
    answer = post(SHIRT)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["category"] == "Clothing > Tops > Shirts"
    assert [level["name"] for level in body["levels"]] == ["Clothing", "Tops", "Shirts"]
    confidences = [level["confidence"] for level in body["levels"]]
    assert confidences == sorted(confidences, reverse=True)
    assert [value["value"] for value in body["attributes"]["colour"]["values"]] == ["red"]
    assert {value["value"] for value in body["attributes"]["tags"]["values"]} == {"wool", "warm"}
    assert 0 <= body["quality"] <= 1
    assert body["sentiment"]["recommended"] > 0.5
    assert 1 <= body["sentiment"]["rating"] <= 5
    assert body["needs_review"] is False
    assert (body["model"], bool(body["request_id"])) == (NAME, True)


def test_a_bad_review_reads_worse_than_a_good_one(post: Post) -> None:
    bad = post(SHIRT | {"review": "awful terrible bad"}).json()["sentiment"]
    good = post(SHIRT).json()["sentiment"]
    assert bad["rating"] < good["rating"]
    assert bad["recommended"] < good["recommended"]


def test_without_a_review_there_is_no_sentiment(post: Post) -> None:
    assert post({"title": "green boots"}).json()["sentiment"] is None


def test_suggestions_are_in_the_products_language(post: Post) -> None:
    spanish = post({"title": "camisa", "language": "es"}).json()["suggestions"]
    assert {"code": "no_price", "message": "No se indica el precio."} in spanish
    english = post({"title": "camisa", "language": "en"}).json()["suggestions"]
    assert {"code": "no_colour", "message": "No colour given."} in english


def test_what_the_caller_states_is_not_fed_back_to_predict_itself(post: Post) -> None:
    bare = {"title": "red shirt"}
    stated = bare | {"attributes": {"colour": "green"}, "category": "Shoes > Boots"}
    plain, told = post(bare).json(), post(stated).json()
    assert plain["attributes"] == told["attributes"]
    assert plain["levels"] == told["levels"]


def test_a_nonsense_product_is_sent_to_a_person(running: tuple[Post, ModelService, Path]) -> None:
    post, service, _ = running
    predictor = service.model().predictor
    threshold = predictor.threshold("category")
    answers = [
        post({"title": title}).json() for title in ("zz qq", "blue", "1234567", "red boots shirt trousers blouse")
    ]
    for answer in answers:
        assert answer["needs_review"] == (answer["levels"][-1]["confidence"] < threshold)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"title": "  "}, 422),
        ({"title": None}, 422),
        ({"price": -1}, 422),
        ({"price": "cheap"}, 422),
        ({"price": 0}, 200),
        ({"currency": "euro"}, 422),
        ({"currency": "XXX"}, 200),
        ({"description": "x " * 50_000}, 200),
        ({"description": "x" * 100_001}, 422),
        ({"description": "x" * (MAX_BODY + 1)}, 413),
        ({"review": ""}, 422),
        ({"category": "Never > Seen"}, 200),
        ({"attributes": {"colour": 3}}, 422),
    ],
)
def test_bad_products_are_refused_and_odd_ones_answered(post: Post, change: dict[str, Any], status: int) -> None:
    response = post(SHIRT | change)
    assert response.status_code == status, response.text
    if status != 200:
        assert set(response.json()["error"]) == {"code", "message", "details"}


def test_an_unfinished_body_is_malformed(post: Post) -> None:
    assert post(b'{"title": "red').status_code == 400


def test_the_log_holds_what_drift_needs(running: tuple[Post, ModelService, Path]) -> None:
    post, service, log = running
    request_id = post(SHIRT | {"description": "A red shirt for every day. " * 200}).json()["request_id"]
    deadline = time.monotonic() + 10
    while request_id not in set((frame := read_window(log).frame)["request_id"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    row = frame[frame["request_id"] == request_id].iloc[0]
    assert (row["title"], row["label"], row["price"]) == (SHIRT["title"], "Clothing > Tops > Shirts", 12.5)
    assert len(row["description"]) == 2000
    assert service.model().predictor.embed(frame).shape[0] == len(frame)


def test_the_bento_answers_over_http_without_torch_or_pandas(product_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"BENTOML_HOME": str(tmp_path / "bentoml"), "VITRINA_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"}
    env = {**os.environ, **own, "VITRINA_MODEL": str(product_folder), "PYTHONPROFILEIMPORTTIME": "1"}
    command = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "output.log").open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, cwd=tmp_path)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 90
            while not _ready(client):
                assert process.poll() is None, (tmp_path / "output.log").read_text()[-2000:]
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert client.post(PATH, json=SHIRT).json()["category"] == "Clothing > Tops > Shirts"
            assert PATH in client.get("/docs.json").json()["paths"]
    finally:
        process.terminate()
        process.wait(20)
    imported = {line.rpartition("|")[2].strip() for line in (tmp_path / "output.log").read_text().splitlines()}
    assert "onnxruntime" in imported  # the log does list imports
    assert not {"torch", "transformers", "mlflow", "pandas", "sklearn"} & imported


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
