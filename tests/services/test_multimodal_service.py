"""`POST /ultra/multimodal/analyze` as callers use it: JSON, forms, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bentos.multimodal_product.service import MAX_BODY, NAME, OPERATION
from tests.in_process import InProcess
from tests.multimodal_models import KINDS, photo
from vitrina.families.multimodal_product import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving.openapi import document
from vitrina.serving.service import ModelService

PATH = "/ultra/multimodal/analyze"
BOOTS = photo("boots", "blue")

Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def running(
    multimodal_shop: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Post, ModelService, Path]]:
    log = tmp_path_factory.mktemp("log")
    service = ModelService(serving.load, [OPERATION], source=multimodal_shop[1], predictions=log, name=NAME)
    service.start()
    client = InProcess(service)
    yield partial(client.post, PATH), service, log
    service.close()


@pytest.fixture(scope="module")
def post(running: tuple[Post, ModelService, Path]) -> Post:
    return running[0]


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_json_with_an_image_is_analysed(post: Post) -> None:
    body = {"title": "nice thing", "image": encoded(BOOTS), "price": 99.5, "currency": "EUR", "review": "lovely"}
    answer = post(json=body | {"embedding": True})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["category"] == KINDS["boots"]
    assert found["levels"][-1]["name"] == "Boots"
    assert found["modalities"] == ["text", "photo", "price"]
    assert 0 <= found["quality"] <= 1
    assert found["price"]["currency"] == "EUR"
    assert found["sentiment"]["rating"] >= 1
    assert len(found["embedding"]) == 48


def test_a_form_with_an_image_file_says_the_same_as_json(post: Post) -> None:
    form = {"title": "nice thing", "price": "99.5", "currency": "EUR", "attributes": json.dumps({"cut": "short"})}
    by_form = post(data=form, files={"image": ("boots.jpg", BOOTS, "image/jpeg")}).json()
    plain = form | {"price": 99.5, "attributes": {"cut": "short"}, "image": encoded(BOOTS)}
    by_json = post(json=plain).json()
    for each in (by_form, by_json):
        each.pop("request_id")
    assert by_form == by_json


def test_a_form_without_a_chosen_file_is_text_alone(post: Post) -> None:
    answer = post(data={"title": "nice boots", "embedding": "true"}, files={"image": ("", b"", "image/jpeg")})
    assert answer.status_code == 200, answer.text
    assert answer.json()["modalities"] == ["text"]
    assert answer.json()["embedding"]


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"title": "boots", "price": "free"}},
        {"data": {"title": "boots", "price": "free"}, "files": {"image": ("b.jpg", BOOTS)}},
        {"json": {"brand": "Acme"}},
        {"json": {"image": "not base64!"}},
        {"json": {"image": encoded(b"MZ this is no image")}},
        {"json": {"image": encoded(BOOTS[: len(BOOTS) // 2])}},
        {"data": {"titel": "boots"}, "files": {"image": ("b.jpg", BOOTS)}},
        {"data": {"title": "boots", "attributes": "cut: short"}, "files": {"image": ("b.jpg", BOOTS)}},
        {"json": {"title": "boots", "attributes": {f"a{n}": "b" for n in range(200)}}},
    ],
)
def test_what_cannot_be_read_is_answered_422_with_a_sentence(post: Post, request_: dict[str, Any]) -> None:
    answer = post(**request_)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == "invalid_request"
    assert answer.json()["error"]["message"].endswith(".")


def animated() -> bytes:
    frames = [Image.open(io.BytesIO(photo(kind, "red", "PNG"))).convert("P") for kind in ("boots", "trousers")]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [photo("boots", "red", "JPEG", "CMYK"), photo("boots", "red", "PNG", "LA"), animated()],
    ids=["CMYK", "transparent grey", "animated"],
)
def test_unusual_images_are_read_like_others(post: Post, content: bytes) -> None:
    by_form = post(files={"image": ("boots", content)})
    by_json = post(json={"image": encoded(content)})
    assert by_form.status_code == by_json.status_code == 200, by_form.text
    assert by_form.json()["category"] == by_json.json()["category"] == KINDS["boots"]


@pytest.mark.parametrize("side", [8_001, 15_000])
def test_an_image_of_endless_pixels_is_refused_before_it_is_unpacked(post: Post, side: int) -> None:
    content = io.BytesIO()
    Image.new("1", (side, side)).save(content, "PNG")
    assert len(content.getvalue()) < 1024 * 1024
    answer = post(files={"image": ("huge.png", content.getvalue())})
    assert answer.status_code == 422, answer.text
    assert "64 million pixels at most" in answer.json()["error"]["message"]


def test_a_title_in_a_language_that_training_never_saw_is_analysed(post: Post) -> None:
    answer = post(json={"title": "Schöne Stiefel aus Leder", "image": encoded(BOOTS)})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["category"] in KINDS.values()
    assert body["modalities"] == ["text", "photo"]


def test_an_image_of_eleven_megabytes_is_answered_413(post: Post) -> None:
    answer = post(files={"image": ("b.jpg", BOOTS + b"0" * (11 * 1024 * 1024))})
    assert answer.status_code == 413, answer.text
    assert "10 MiB" in answer.json()["error"]["message"]


def test_an_image_of_fifty_megabytes_is_answered_413_before_it_is_read(post: Post) -> None:
    body = b'{"image": "' + b"A" * (50 * 1024 * 1024) + b'"}'
    assert len(body) > MAX_BODY
    assert post(content=body).status_code == 413


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"--x\r\nno form", "multipart/form-data; boundary=y"),
        (b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nboots', "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"{", "application/json"),
    ],
)
def test_a_broken_body_is_answered_400(post: Post, content: bytes, kind: str) -> None:
    answer = post(content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400, answer.text


def test_script_in_a_title_is_not_echoed(post: Post) -> None:
    title = "<script>alert('boots')</script> nice boots"
    answer = post(json={"title": title, "brand": "<b>Acme</b>", "attributes": {"<i>cut</i>": "<u>short</u>"}})
    assert answer.status_code == 200, answer.text
    assert "<" not in answer.text


def test_predictions_are_logged_without_the_image(post: Post, running: tuple[Post, ModelService, Path]) -> None:
    request_id = post(json={"title": "nice trousers", "image": encoded(photo("trousers", "red"))}).json()["request_id"]
    deadline = time.monotonic() + 10
    while request_id not in set((frame := read_window(running[2]).frame)["request_id"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert frame.set_index("request_id").loc[request_id, "modalities"] == "text+photo"
    assert "image" not in frame.columns


def test_the_document_says_that_forms_are_taken(running: tuple[Post, ModelService, Path]) -> None:
    described = document(running[1], keyed=False)["paths"][PATH]["post"]["requestBody"]["content"]
    assert set(described) == {"application/json", "multipart/form-data"}
    assert isinstance(described["application/json"]["example"]["image"], str)
