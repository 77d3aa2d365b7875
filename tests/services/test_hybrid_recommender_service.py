"""`POST /ai/recommend` and `POST /ai/interactions` as callers use them: in process, once through `bentoml serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bentos.hybrid_recommender.service import NAME, OPERATION
from tests.in_process import InProcess
from vitrina.families.hybrid_recommender import serving
from vitrina.monitoring import feedback
from vitrina.monitoring.predictions import read_window
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.service import ModelService

PATH, EVENTS = "/ai/recommend", "/ai/interactions"
BENTO = Path(__file__).parents[2] / "bentos" / NAME


@dataclass
class Shop:
    """A running service: `post(path, body)`, its parts, and the shop's products."""

    post: Callable[[str, Any], httpx.Response]
    service: ModelService
    catalogue: CurrentCatalogue
    path: Path
    products: pa.Table
    log: Path

    def ids(self, **body: Any) -> list[str]:
        answer = self.post(PATH, body)
        assert answer.status_code == 200, answer.text
        return [each["product_id"] for each in answer.json()["recommendations"]]

    def sell(self, products: pa.Table) -> None:
        """Replace the catalogue."""
        pq.write_table(products, self.path)
        self.catalogue.refresh()


@pytest.fixture(scope="module", params=["hybrid_folder", "linear_folder"])
def shop(
    request: pytest.FixtureRequest, recommender_shop: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder, home = request.getfixturevalue(request.param), tmp_path_factory.mktemp("home")
    products = pq.read_table(recommender_shop["catalogue"])
    path = home / "catalogue.parquet"
    pq.write_table(products, path)
    catalogue, live = CurrentCatalogue(path), LiveHistories.under(home)
    service = ModelService(
        lambda model: LiveRecommender(serving.load(model), catalogue, live),
        [OPERATION],
        [live.endpoint()],
        source=folder,
        predictions=home / "log",
        name=NAME,
        parts=[catalogue],
    )
    catalogue.refresh()
    service.start()
    yield Shop(InProcess(service).post, service, catalogue, path, products, home / "log")
    service.close()


@pytest.fixture(autouse=True)
def _everything_is_sold_again(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "shop" in request.fixturenames:
        shop = request.getfixturevalue("shop")
        shop.sell(shop.products)


def known_user(shop: Shop) -> str:
    histories = shop.service.model().predictor.model.histories
    return max(histories.users, key=lambda user: len(histories.of(user)))


def test_a_known_user_gets_products_with_their_facts_best_first(shop: Shop) -> None:
    answer = shop.post(PATH, {"user_id": known_user(shop), "k": 5})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    scores = [each["score"] for each in body["recommendations"]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert (body["cold_start"], body["user_known"], body["model"]) == (False, True, NAME)
    row = shop.products.filter(pc.equal(shop.products["product_id"], body["recommendations"][0]["product_id"]))
    for name in ("title", "price", "currency", "category"):
        assert body["recommendations"][0][name] == row[name][0].as_py()


def test_an_unknown_user_gets_a_cold_start_answer_that_says_so(shop: Shop) -> None:
    body = shop.post(PATH, {"user_id": "nobody knows them", "k": 7}).json()
    assert (body["cold_start"], body["user_known"], len(body["recommendations"])) == (True, False, 7)
    assert shop.ids(k=7) == [each["product_id"] for each in body["recommendations"]]


def test_the_events_of_a_session_make_a_stranger_known(shop: Shop) -> None:
    product = shop.products["product_id"][3].as_py()
    body = shop.post(PATH, {"events": [{"product_id": product, "event": "cart"}]}).json()
    assert (body["cold_start"], body["user_known"]) == (False, False)
    assert [each["product_id"] for each in body["recommendations"]] != shop.ids()


def test_what_is_bought_after_training_counts_and_does_not_come_back(shop: Shop) -> None:
    user = known_user(shop)
    before = shop.ids(user_id=user, k=10)
    kept = shop.post(EVENTS, {"events": [{"user_id": user, "product_id": before[0], "event": "purchase"}]})
    assert (kept.status_code, kept.json()["accepted"], kept.json()["duplicates"]) == (200, 1, 0)
    after = shop.ids(user_id=user, k=10)
    assert before[0] not in after
    assert after != before[1:]
    assert before[0] in shop.ids(user_id=user, k=150, filters={"exclude_bought": False})


def test_an_event_sent_twice_is_kept_once(shop: Shop) -> None:
    event = {"user_id": "twice", "product_id": "p000001", "timestamp": "2026-01-01T10:00:00Z"}
    assert shop.post(EVENTS, {"events": [event, event]}).json()["duplicates"] == 1
    assert shop.post(EVENTS, {"events": [event]}).json()["accepted"] == 0


def test_a_user_who_is_new_since_training_is_known_by_what_was_kept(shop: Shop) -> None:
    shop.post(EVENTS, {"events": [{"user_id": "newcomer", "product_id": "p000010", "event": "purchase"}]})
    body = shop.post(PATH, {"user_id": "newcomer"}).json()
    assert (body["cold_start"], body["user_known"]) == (False, True)
    assert "p000010" not in [each["product_id"] for each in body["recommendations"]]


def test_events_of_products_that_the_model_does_not_know_change_nothing(shop: Shop) -> None:
    assert shop.ids(events=[{"product_id": "never heard of"}]) == shop.ids()


def test_a_withdrawn_product_never_appears_and_a_sold_out_one_only_on_request(shop: Shop) -> None:
    user = known_user(shop)
    first, second = shop.ids(user_id=user, k=2)
    left = shop.products.filter(pc.not_equal(shop.products["product_id"], first))
    stock = pc.if_else(pc.equal(left["product_id"], second), 0, 5)
    shop.sell(left.set_column(left.column_names.index("stock"), "stock", stock))
    answer = shop.ids(user_id=user, k=150)
    assert not {first, second} & set(answer)
    assert first not in shop.ids(user_id=user, k=150, filters={"in_stock": False})
    assert second in shop.ids(user_id=user, k=150, filters={"in_stock": False})
    stranger = shop.ids(k=150)
    assert not {first, second} & set(stranger)


def test_filters_let_pass_only_what_was_asked(shop: Shop) -> None:
    user, category = known_user(shop), shop.products["category"][0].as_py().split(" > ")[0]
    filters = {"category": category, "min_price": 20, "max_price": 80, "exclude": shop.ids(user_id=user, k=3)}
    body = shop.post(PATH, {"user_id": user, "k": 150, "filters": filters}).json()["recommendations"]
    assert body
    for each in body:
        assert each["category"].startswith(category)
        assert 20 <= each["price"] <= 80
        assert each["product_id"] not in filters["exclude"]
    assert shop.ids(filters={"brands": ["no such brand"]}) == []


def test_the_first_ten_are_a_prefix_of_the_first_hundred(shop: Shop) -> None:
    user = known_user(shop)
    assert shop.ids(user_id=user, k=100)[:10] == shop.ids(user_id=user, k=10)


@pytest.mark.parametrize(
    "body",
    [
        {"k": 0},
        {"k": -1},
        {"k": 10**6},
        {"k": "ten"},
        {"user_id": ""},
        {"user_id": 7},
        {"events": [{"product_id": "p000001", "event": "stare"}]},
        {"events": [{"product_id": "p000001", "timestamp": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}]},
        {"events": [{"product_id": "p"}] * 1001},
        {"filters": {"min_price": 5, "max_price": 1}},
        {"filters": {"min_price": "cheap"}},
    ],
)
def test_bad_requests_are_refused_in_one_sentence(shop: Shop, body: dict[str, Any]) -> None:
    answer = shop.post(PATH, body)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()["error"]) == {"code", "message", "details"}


def test_bad_events_are_refused_and_none_of_the_request_is_kept(shop: Shop) -> None:
    good = {"user_id": "careful", "product_id": "p000001"}
    late = {**good, "timestamp": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    for events in ([good, late], [good, {**good, "event": "stare"}], []):
        assert shop.post(EVENTS, {"events": events}).status_code == 422
    assert not shop.post(PATH, {"user_id": "careful"}).json()["user_known"]


def test_a_user_with_fifty_thousand_events_is_answered(shop: Shop) -> None:
    ids = shop.products["product_id"].to_pylist()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, 50_000, 1000):
        events = [
            {
                "user_id": "bot",
                "product_id": ids[n % len(ids)],
                "timestamp": (moment + timedelta(seconds=n)).isoformat(),
            }
            for n in range(start, start + 1000)
        ]
        assert shop.post(EVENTS, {"events": events}).status_code == 200
    body = shop.post(PATH, {"user_id": "bot"}).json()
    assert (len(body["recommendations"]), body["cold_start"]) == (10, False)


def test_a_catalogue_that_cannot_be_read_at_all_is_503(hybrid_folder: Path, tmp_path: Path) -> None:
    catalogue = CurrentCatalogue(tmp_path / "missing.parquet")
    catalogue.refresh()
    recommender = LiveRecommender(serving.load(hybrid_folder), catalogue, LiveHistories.under(tmp_path))
    [refusal] = recommender.recommend([OPERATION.example])  # type: ignore[list-item]
    assert getattr(refusal, "status", None) == 503


def test_the_log_holds_what_drift_and_feedback_need(shop: Shop) -> None:
    user = known_user(shop)
    answer = shop.post(PATH, {"user_id": user}).json()
    shown = [each["product_id"] for each in answer["recommendations"]]
    for request_id, label in ((answer["request_id"], shown[4]), (shop.post(PATH, {}).json()["request_id"], "other")):
        assert shop.post("/feedback", {"request_id": request_id, "label": label}).status_code == 200
    deadline = time.monotonic() + 10
    while answer["request_id"] not in set((frame := read_window(shop.log).frame)["request_id"]) or len(frame) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    row = frame[frame["request_id"] == answer["request_id"]].iloc[0]
    assert row["shown"] == shown
    assert (row["user_id"], row["label"]) == (user, answer["recommendations"][0]["category"])
    assert 0 <= row["popularity"] <= 1
    assert row["segment"] == "heavy"
    time.sleep(0.3)
    frame = read_window(shop.log).frame
    found = feedback.accuracy(feedback.join(frame, feedback.read(shop.log)))
    assert found is not None
    assert (found.accuracy, found.rows) == (0.5, 2)


def test_the_bento_answers_over_http_without_torch_or_pandas(
    hybrid_folder: Path, recommender_shop: dict[str, Path], tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"BENTOML_HOME": str(tmp_path / "bentoml"), "VITRINA_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"}
    own |= {"VITRINA_MODEL": str(hybrid_folder), "VITRINA_CATALOGUE": str(recommender_shop["catalogue"])}
    command = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "output.log").open("wb") as output:
        env = {**os.environ, **own, "PYTHONPROFILEIMPORTTIME": "1"}
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, cwd=tmp_path)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 90
            while not _ready(client):
                assert process.poll() is None, (tmp_path / "output.log").read_text()[-2000:]
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert len(client.post(PATH, json={"k": 3}).json()["recommendations"]) == 3
            event = {"user_id": "u", "product_id": "p000001", "event": "purchase"}
            assert client.post(EVENTS, json={"events": [event]}).json()["accepted"] == 1
            assert client.post(PATH, json={"user_id": "u"}).json()["user_known"]
            assert {PATH, EVENTS} <= set(client.get("/docs.json").json()["paths"])
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
