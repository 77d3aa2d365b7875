"""`POST /ai/generate-description` as callers use it, in process, through the middleware that BentoML runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.product_describer.service import MAX_BODY, NAME, OPERATION
from tests.in_process import InProcess
from vitrina.families.product_describer import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving.service import ModelService

CHAIR = {"title": "Luma 999", "attributes": {"colour": "blue", "material": "oak"}, "language": "en"}

Post = Callable[[Any], httpx.Response]


@pytest.fixture(scope="module")
def running(
    describer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Post, ModelService, Path]]:
    log = tmp_path_factory.mktemp("log")
    service = ModelService(serving.load, [OPERATION], source=describer_folder, predictions=log, name=NAME)
    service.start()
    client = InProcess(service)
    yield partial(client.post, OPERATION.path), service, log
    service.close()


@pytest.fixture(scope="module")
def post(running: tuple[Post, ModelService, Path]) -> Post:
    return running[0]


def test_features_become_a_description_with_its_search_listing(post: Post) -> None:
    answer = post(
        CHAIR | {"keywords": ["easy"], "candidates": 3, "tone": "enthusiastic", "price": 90, "currency": "EUR"}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "blue" in body["description"]
    assert body["description"] == body["candidates"][0]["text"]
    assert body["missing"] == body["invented"] == []
    assert body["controls"] == {"tone": "met", "keywords": "met"}
    assert body["seo"]["keywords_used"] == ["easy"]
    assert len(body["seo"]["title"]) <= 60
    assert len(body["seo"]["meta_description"]) <= 155
    assert body["seo"]["readability"]["formula"] == "Flesch reading ease"
    assert {"model", "version", "request_id"} <= body.keys()


def test_markup_in_features_is_escaped(post: Post) -> None:
    script = "<script>alert(1)</script>"
    answer = post(CHAIR | {"title": script, "brand": script, "attributes": {script: script}, "keywords": [script]})
    assert answer.status_code == 200
    assert "<script" not in answer.text
    refused = post(CHAIR | {"attributes": {script: "red", script.upper(): "blue"}})
    assert refused.status_code == 422
    assert "<script" not in refused.text.lower()


def test_a_product_without_attributes_is_described(post: Post) -> None:
    answer = post({"title": "Luma 999", "attributes": {}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["description"]


def test_a_title_in_a_third_language_is_described_in_one_that_was_learned(post: Post) -> None:
    answer = post({"title": "Schöner Stuhl aus Eichenholz", "attributes": {"colour": "blue"}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["language"] in ("en", "es")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": " "},
        {"title": None},
        {"attributes": {"colour": " "}},
        {"attributes": {"colour": "red", "COLOUR": "blue"}},
        {"language": "fr"},
        {"price": "free"},
        {"tone": "pirate"},
        {"candidates": 9},
        {"temperature": -1},
        {"max_tokens": 100_000},
        {"keywords": ["a"] * 11},
        {"attributes": {f"a{number}": "b" for number in range(1001)}},
        {"colour": "red"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_cannot_be_answered_is_a_422_with_a_sentence(post: Post, changes: dict[str, Any]) -> None:
    answer = post(CHAIR | changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == "invalid_request"
    assert answer.json()["error"]["message"]


def test_two_hundred_attributes_are_answered_with_those_that_are_missing(post: Post) -> None:
    body = post(
        CHAIR | {"attributes": CHAIR["attributes"] | {f"a{number}": f"b{number}" for number in range(200)}}
    ).json()
    assert len(body["missing"]) == 200


def test_malformed_and_oversized_bodies_are_refused(post: Post) -> None:
    assert post(b"{").status_code == 400
    assert post(b'{"title": "' + b"x" * (MAX_BODY + 1) + b'"}').status_code == 413


def test_an_answer_is_logged_with_what_drift_detection_watches(running: tuple[Post, ModelService, Path]) -> None:
    post, service, log = running
    request_id = post(CHAIR).json()["request_id"]
    service.log.flush()
    frame = read_window(log).frame.set_index("request_id")
    row = frame.loc[request_id]
    assert row["title"] == "Luma 999"
    assert row["language"] == "en"
    assert row["missing"] == 0
    assert row["length"] == len(row["description"].split())
    assert 0 < row["confidence"] <= 1
