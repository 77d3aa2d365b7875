"""`/ai/few-shot` as callers use it: in process for every answer, and once through `bentoml serve` with two workers."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.few_shot_classifier.service import EXAMPLE, LABEL_SETS, MAX_BODY, NAME, endpoints
from tests.few_shot_models import drawing
from tests.in_process import InProcess
from vitrina.contracts.few_shot import FewShotAnswer
from vitrina.families.few_shot_classifier import serving
from vitrina.families.few_shot_classifier.label_sets import LabelSets
from vitrina.monitoring.predictions import read_window
from vitrina.serving.service import ModelService

PATH = "/ai/few-shot"
BENTO = Path(__file__).parents[2] / "bentos" / NAME
REFUND = {"label": "refund", "texts": ["i want my money back", "refund this purchase"]}
ORDER = {"label": "order", "texts": ["where is my order"]}


class Client(InProcess):
    """Calls a started service, and holds it."""

    def __init__(self, service: ModelService) -> None:
        super().__init__(service)
        self.service = service


@contextmanager
def started(folder: Path, home: Path) -> Iterator[Client]:
    api = serving.FewShotApi(LabelSets(home / "label_sets", most_classes=20))
    service = ModelService(serving.load, (), endpoints(api), source=folder, predictions=home / "log", name=NAME)
    service.start()
    try:
        yield Client(service)
    finally:
        service.close()


@pytest.fixture
def client(few_shot_folder: Path, tmp_path: Path) -> Iterator[Client]:
    with started(few_shot_folder, tmp_path) as each:
        yield each


@pytest.fixture
def image_client(few_shot_image_folder: Path, tmp_path: Path) -> Iterator[Client]:
    with started(few_shot_image_folder, tmp_path) as each:
        yield each


def picture(kind: int, hand: int) -> str:
    return base64.b64encode(drawing(kind, hand, "PNG")).decode()


def test_texts_are_labelled_by_the_classes_of_the_request_alone(client: Client) -> None:
    response = client("POST", PATH, {"classes": [REFUND, ORDER], "texts": ["money back", "my order"]})
    answer = response.json()
    assert response.status_code == 200, response.text
    assert set(answer) == set(FewShotAnswer.__struct_fields__)
    assert answer["labels"] == ["refund", "order"]
    for each in answer["predictions"]:
        assert set(each["distribution"]) == {"refund", "order"}
        assert sum(each["distribution"].values()) == pytest.approx(1)
        assert each["confidence"] == max(each["distribution"].values()) == each["distribution"][each["label"]]
    assert client("GET", LABEL_SETS).json()["label_sets"] == []


def test_the_documented_example_works_and_the_routes_are_documented(client: Client) -> None:
    assert client("POST", PATH, json.loads(serving_json(EXAMPLE))).status_code == 200
    paths = client("GET", "/docs.json").json()["paths"]
    assert {PATH, LABEL_SETS, f"{LABEL_SETS}/{{name}}", f"{LABEL_SETS}/{{name}}/classes/{{label}}"} <= set(paths)


def serving_json(struct: Any) -> bytes:
    import msgspec

    return msgspec.json.encode(struct)


def test_a_label_set_is_made_used_extended_and_forgotten(client: Client) -> None:
    assert client("POST", PATH, {"label_set": "desk", "classes": [REFUND, ORDER]}).json()["predictions"] == []
    assert client("POST", PATH, {"label_set": "desk", "texts": ["hello"]}).json()["labels"] == ["order", "refund"]
    hours = {"label": "hours", "texts": ["when do you open"]}
    answer = client("POST", PATH, {"label_set": "desk", "classes": [hours], "texts": ["are you open"]}).json()
    assert answer["labels"] == ["hours", "order", "refund"]
    shown = client("GET", f"{LABEL_SETS}/desk").json()
    assert {each["label"]: each["examples"] for each in shown["classes"]} == {"refund": 2, "order": 1, "hours": 1}
    assert client("GET", LABEL_SETS).json()["label_sets"] == ["desk"]
    assert client("DELETE", f"{LABEL_SETS}/desk/classes/hours").status_code == 200
    assert client("DELETE", f"{LABEL_SETS}/desk/classes/hours").status_code == 404
    assert client("DELETE", f"{LABEL_SETS}/desk").json()["classes"] == []
    for method, path in (("GET", f"{LABEL_SETS}/desk"), ("DELETE", f"{LABEL_SETS}/desk")):
        assert client(method, path).status_code == 404
    gone = client("POST", PATH, {"label_set": "desk", "texts": ["hello"]})
    assert gone.status_code == 404
    assert gone.json()["error"]["message"] == "There is no label set 'desk'."


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"texts": ["hello"]}, "Give classes with examples, or the name of a label set."),
        ({"classes": [REFUND], "texts": ["hello"]}, "two or more classes; there is 1"),
        ({"classes": [REFUND, ORDER]}, "nothing to label: give texts"),
        ({"label_set": "desk"}, "nothing to label: give texts"),
        ({"classes": [REFUND, {"label": "empty"}], "texts": ["hello"]}, "Class 'empty' has no example"),
        ({"classes": [REFUND, {"label": "empty", "texts": []}], "texts": ["hello"]}, "Class 'empty' has no example"),
        ({"classes": [REFUND, REFUND], "texts": ["hello"]}, "Class 'refund' is given twice"),
        ({"classes": [REFUND, {**REFUND, "label": " refund "}], "texts": ["hello"]}, "is given twice"),
        ({"classes": [REFUND, {"label": "six", "texts": ["x"] * 6}], "texts": ["hello"]}, "classes[1].texts"),
        ({"classes": [REFUND, {"label": " ", "texts": ["x"]}], "texts": ["hello"]}, "blank"),
        ({"classes": [REFUND, ORDER], "texts": [""]}, "texts[0]"),
        ({"classes": [REFUND, ORDER], "texts": ["x"] * 101}, "texts"),
        ({"classes": [REFUND, ORDER], "images": ["aGVsbG8="]}, "reads texts: it cannot take images"),
        ({"classes": [REFUND, {"label": "p", "images": ["aGVsbG8="]}], "texts": ["x"]}, "cannot take images"),
        ({"label_set": "../etc", "texts": ["hello"]}, "label_set"),
        ({"label_set": "desk", "classes": [REFUND], "texts": ["hello"]}, "label set 'desk' would have one"),
    ],
)
def test_what_cannot_be_answered_says_why_and_keeps_nothing(client: Client, body: Any, says: str) -> None:
    response = client("POST", PATH, body)
    assert response.status_code == 422
    assert says in response.json()["error"]["message"]
    assert client("GET", LABEL_SETS).json()["label_sets"] == []


def test_images_are_labelled_and_texts_are_refused(image_client: Client) -> None:
    classes = [{"label": f"c{kind}", "images": [picture(kind, hand) for hand in range(3)]} for kind in (0, 5)]
    answer = image_client("POST", PATH, {"classes": classes, "images": [picture(5, 9)]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["label"] in ("c0", "c5")
    for body, says in (
        ({"classes": classes, "texts": ["hello"]}, "This model reads images: it cannot take texts."),
        ({"classes": [REFUND, ORDER], "images": [picture(1, 1)]}, "cannot take texts"),
        ({"classes": classes, "images": ["%%%"]}, "not base64"),
        ({"label_set": "c", "classes": classes, "images": ["aGVsbG8="]}, "PNG or JPEG"),
    ):
        refused = image_client("POST", PATH, body)
        assert refused.status_code == 422
        assert says in refused.json()["error"]["message"]
    assert image_client("GET", LABEL_SETS).json()["label_sets"] == []


def test_every_query_is_one_line_of_the_log_and_can_be_corrected(
    few_shot_folder: Path, few_shot_image_folder: Path, tmp_path: Path
) -> None:
    with started(few_shot_folder, tmp_path / "texts") as client:
        body = {"classes": [REFUND, ORDER], "texts": ["money back", "where is it"]}
        answer = client("POST", PATH, body).json()
        names = [each["prediction_id"] for each in answer["predictions"]]
        assert client("POST", "/feedback", {"request_id": names[1], "label": "refund"}).status_code == 200
    lines = read_window(tmp_path / "texts" / "log").frame.set_index("request_id")
    assert list(lines.loc[names, "text"]) == body["texts"]
    assert list(lines.loc[names, "label"]) == [each["label"] for each in answer["predictions"]]
    assert set(lines["ways"]) == {2}
    with started(few_shot_image_folder, tmp_path / "images") as client:
        classes = [{"label": f"c{kind}", "images": [picture(kind, 0)]} for kind in (0, 5)]
        client("POST", PATH, {"classes": classes, "images": [picture(5, 9)]})
    logged = read_window(tmp_path / "images" / "log").frame
    assert len(logged["text"][0]) < 5000
    serving.load(few_shot_image_folder).embed(logged)  # drift monitoring reads it back


def test_a_body_over_the_limit_is_refused(client: Client) -> None:
    huge = {"classes": [REFUND, ORDER], "texts": ["x" * 1000], "images": ["x" * MAX_BODY]}
    assert client("POST", PATH, huge).status_code == 413


@contextmanager
def bento(folder: Path, home: Path) -> Iterator[httpx.Client]:
    """`bentoml serve` with two workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(port)]
    env = {"BENTOML_HOME": str(home / "bentoml"), "VITRINA_HOME": str(home), "VITRINA_WORKERS": "2"}
    env |= {"VITRINA_MODEL": str(folder), "BENTOML_DO_NOT_TRACK": "True"}
    home.mkdir(parents=True, exist_ok=True)
    with (home / "output.log").open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=output, cwd=home)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 90
            while not ready(client):
                assert process.poll() is None, (home / "output.log").read_text()
                assert time.monotonic() < deadline, "it took too long"
                time.sleep(0.2)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_label_set_is_shared_by_workers_and_outlives_a_restart(few_shot_folder: Path, tmp_path: Path) -> None:
    with bento(few_shot_folder, tmp_path) as client:
        assert client.post(PATH, json={"label_set": "desk", "classes": [REFUND, ORDER]}).status_code == 200
        for _ in range(12):  # a new connection each, so that both workers answer
            fresh = httpx.post(f"{client.base_url}{PATH}", json={"label_set": "desk", "texts": ["hello"]}, timeout=30)
            assert fresh.status_code == 200, fresh.text
        hours = {"label": "hours", "texts": ["when do you open"]}
        assert client.post(PATH, json={"label_set": "desk", "classes": [hours]}).status_code == 200
    with bento(few_shot_folder, tmp_path) as client:
        answer = client.post(PATH, json={"label_set": "desk", "texts": ["when do you open"]}).json()
        assert answer["labels"] == ["hours", "order", "refund"]
