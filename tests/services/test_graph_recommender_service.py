"""`POST /ultra/recommendations` as callers use it: in process for every answer, and once through `bentoml serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bentos.graph_recommender.service import NAME, OPERATION
from tests.in_process import InProcess
from vitrina.families.graph_recommender import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.service import ModelService

PATH, EVENTS = "/ultra/recommendations", "/ai/interactions"
BENTO = Path(__file__).parents[2] / "bentos" / NAME
BOOTS = [{"product_id": f"p{number:03d}", "event": "purchase"} for number in (1, 4, 7)]


@dataclass
class Shop:
    """A running service, and the catalogue it follows."""

    post: Callable[[str, Any], httpx.Response]
    service: ModelService
    catalogue: CurrentCatalogue
    path: Path
    products: pa.Table
    log: Path

    def ask(self, **body: Any) -> dict[str, Any]:
        answer = self.post(PATH, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sell(self, products: pa.Table) -> None:
        """Replace the catalogue."""
        pq.write_table(products, self.path)
        self.catalogue.refresh()


@pytest.fixture(scope="module")
def shop(graph_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = tmp_path_factory.mktemp("home")
    products, path = pq.read_table(graph_folder / "products.parquet"), home / "catalogue.parquet"
    pq.write_table(products, path)
    (home / "log").mkdir()
    catalogue, live = CurrentCatalogue(path), LiveHistories.under(home)
    service = ModelService(
        lambda model: LiveRecommender(serving.load(model), catalogue, live),
        [OPERATION],
        [live.endpoint()],
        source=graph_folder,
        predictions=home / "log",
        name=NAME,
        parts=[catalogue],
    )
    service.start()
    yield Shop(InProcess(service).post, service, catalogue, path, products, home / "log")
    service.close()


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["product_id"] for each in answer["recommendations"]]


def test_a_known_user_gets_products_with_reasons_and_what_the_list_is_like(shop: Shop) -> None:
    answer = shop.ask(user_id="u001", language="es")
    assert (answer["user_known"], answer["cold_start"], len(answer["recommendations"])) == (True, False, 10)
    assert set(answer["quality"]) == {"diversity", "novelty", "coverage"}
    assert {"model", "version", "request_id"} <= set(answer)
    titles = set(shop.products["title"].to_pylist())
    reasons = [why for each in answer["recommendations"] for why in each["because"]]
    assert reasons
    assert {why["title"] for why in reasons} <= titles
    assert all(0 <= why["share"] <= 1 and why["customers_bought"] <= why["customers_chose"] for why in reasons)
    explained = [each for each in answer["recommendations"] if each["because"]]
    assert all(each["reason"].startswith("Porque ") for each in explained)
    assert all(each["because"][0]["title"][:40] in each["reason"] for each in explained)


def test_a_stranger_is_told_so_and_why(shop: Shop) -> None:
    answer = shop.ask(user_id="never seen")
    assert (answer["user_known"], answer["cold_start"], len(answer["recommendations"])) == (False, True, 10)
    assert all(each["because"] == [] and each["reason"] for each in answer["recommendations"])


def test_this_sessions_events_count_without_retraining(shop: Shop) -> None:
    answer = shop.ask(events=BOOTS, diversity=0)
    assert not answer["cold_start"]
    kinds = [each["category"] for each in answer["recommendations"]]
    assert kinds.count("Shop > Boots") >= 8
    assert {why["product_id"] for each in answer["recommendations"] for why in each["because"]} <= {
        event["product_id"] for event in BOOTS
    }


def test_events_that_were_kept_count_too(shop: Shop) -> None:
    events = [{"user_id": "a new friend", **event} for event in BOOTS]
    assert shop.post(EVENTS, {"events": events}).json()["accepted"] == 3
    answer = shop.ask(user_id="a new friend")
    assert (answer["user_known"], answer["cold_start"]) == (True, False)
    assert not {event["product_id"] for event in BOOTS} & set(ids(answer))


def test_diversity_is_as_asked_and_explanations_may_be_left_out(shop: Shop) -> None:
    narrow, wide = (shop.ask(events=BOOTS, diversity=share)["quality"] for share in (0, 0.9))
    assert wide["diversity"] > narrow["diversity"]
    plain = shop.ask(events=BOOTS, diversity=0, explain=False)
    assert plain["quality"] is None
    assert ids(plain) == ids(shop.ask(events=BOOTS, diversity=0))


@pytest.mark.parametrize(
    "body",
    [
        {"k": 0},
        {"k": -1},
        {"k": 10**6},
        {"k": "ten"},
        {"diversity": 1.5},
        {"diversity": -0.1},
        {"intent": "steal"},
        {"language": "fr"},
        {"events": [{"product_id": "p001", "timestamp": "2999-01-01T00:00:00Z"}]},
    ],
)
def test_what_makes_no_sense_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    answer = shop.post(PATH, body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


def test_broken_json_is_refused(shop: Shop) -> None:
    assert shop.post(PATH, b"{").status_code == 400


def test_a_withdrawn_product_never_appears(shop: Shop) -> None:
    first = ids(shop.ask(user_id="u001"))
    try:
        shop.sell(shop.products.filter(pc.invert(pc.is_in(shop.products["product_id"], pa.array(first)))))
        assert not set(first) & set(ids(shop.ask(user_id="u001", k=50)))
    finally:
        shop.sell(shop.products)


def test_answers_are_logged(shop: Shop) -> None:
    answer = shop.ask(user_id="u002")
    deadline = time.monotonic() + 5
    while answer["request_id"] not in set((frame := read_window(shop.log).frame)["request_id"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    row = frame.set_index("request_id").loc[answer["request_id"]]
    assert list(row["shown"]) == ids(answer)
    assert row["segment"] == "heavy"


def test_bentoml_serves_it(graph_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "VITRINA_MODEL": str(graph_folder),
        "VITRINA_HOME": str(tmp_path),
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(BENTO.parents[1]),
    }
    command = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--port", str(port), "--host", "127.0.0.1"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.3)
        answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", json={"user_id": "u001"}, timeout=10)
        assert answer.status_code == 200
        assert len(answer.json()["recommendations"]) == 10
        document = httpx.get(f"http://127.0.0.1:{port}/docs.json", timeout=5).json()
        assert {PATH, EVENTS} <= set(document["paths"])
    finally:
        process.terminate()
        process.wait(20)
