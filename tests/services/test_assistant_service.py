"""The assistant as users run it: `bentoml serve` in its own processes, with the services that it works with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from bentos.hybrid_recommender.service import OPERATION
from tests.assistant_services import PREFIX, QUESTION, TABLE, assistant, events_of
from tests.faulty_llm import FaultyLLM, faulty
from tests.listening import listening, nothing_behind, until
from tests.llm_server import LLMServer, free_port
from vitrina.contracts import CATALOGUE
from vitrina.data.sample_store.catalogue import draw_catalogue
from vitrina.data.tables import write_table
from vitrina.families.hybrid_recommender import serving
from vitrina.jobs.serve import serve
from vitrina.registry import server
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.http import HttpService
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.service import ModelService

BENTO = Path(__file__).parents[2] / "bentos" / "assistant"
KEYS = {"VITRINA_API_KEYS": "shop-secret-1,shop-secret-2", "VITRINA_LLM_KEY": "llm-secret"}
SHOP = {"x-api-key": "shop-secret-1"}
PERSONAL = ("ana.lopez@correo.example", "612 34 56 78")


@pytest.fixture
def proxy(llm_server: LLMServer) -> Iterator[FaultyLLM]:
    with faulty(llm_server) as found:
        yield found


@pytest.fixture
def served(proxy: FaultyLLM, tmp_path: Path) -> Iterator[httpx.Client]:
    """`bentoml serve` with two workers and keys; its output lies in `output.log`."""
    proxy.faults.key = "llm-secret"
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(BENTO), "--host", "127.0.0.1", "--port", str(port)]
    env = {
        **os.environ,
        **KEYS,
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "VITRINA_HOME": str(tmp_path),
        "VITRINA_WORKERS": "2",
        "VITRINA_LLM_URL": proxy.url,
        "OPENAI_LOG": "debug",
        "VITRINA_ASSISTANT_SECONDS": "20",
    }
    (tmp_path / "bentoml").mkdir()
    with (tmp_path / "output.log").open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, cwd=tmp_path)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until(lambda: process.poll() is not None or is_ready(client), 120)
            assert process.poll() is None, (tmp_path / "output.log").read_text()
            yield client
    finally:
        process.terminate()
        process.wait(30)


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def test_the_bento_streams_counts_and_keeps_secrets(served: httpx.Client, proxy: FaultyLLM, tmp_path: Path) -> None:
    assert served.post(f"{PREFIX}/reply", json=QUESTION).status_code == 401
    times = []
    with served.stream("POST", f"{PREFIX}/reply", json=QUESTION | {"stream": True}, headers=SHOP) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("event: token"):
                times.append(time.monotonic())
    assert len(times) > 3
    assert times[-1] > times[0]  # they came one by one, through BentoML's own layers too
    proxy.faults.dies_after = 3
    *_, (name, _) = events_of(served.post(f"{PREFIX}/reply", json=QUESTION | {"stream": True}, headers=SHOP).text)
    assert name == "error"
    proxy.faults.dies_after = None
    served.post(f"{PREFIX}/describe", json=TABLE | {"product": {"title": PERSONAL[0]}}, headers=SHOP)

    proxy.faults.endless = True
    with served.stream("POST", f"{PREFIX}/describe", json=TABLE | {"stream": True}, headers=SHOP) as answer:
        assert answer.status_code == 200, answer.read()
        assert next(answer.iter_lines()) == "event: token"
        until(lambda: proxy.open_streams == 1, 5)
    until(lambda: proxy.open_streams == 0, 5)
    proxy.faults.endless = False

    used = served.get(f"{PREFIX}/usage", headers=SHOP).json()
    assert used["day"] > 0
    assert served.get(f"{PREFIX}/usage", headers={"x-api-key": "shop-secret-2"}).json()["day"] == 0
    metrics = served.get("/metrics").text
    assert 'vitrina_assistant_answers_total{outcome="left",task="describe",variant="production"} 1.0' in metrics
    until(lambda: len(list((tmp_path / "predictions" / "assistant").glob("*.jsonl"))) > 0, 5)
    time.sleep(0.5)  # the log is flushed every 0.2 s
    assert "[email]" in "".join(path.read_text() for path in (tmp_path / "predictions").rglob("*.jsonl"))
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert b"Request" in kept[tmp_path / "output.log"]
    for secret in ("shop-secret-1", "shop-secret-2", "llm-secret", *PERSONAL):
        assert not [path for path, content in kept.items() if secret.encode() in content], secret
        assert secret not in metrics


def test_vitrina_serves_it_without_a_model(
    llm_server: LLMServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path))
    monkeypatch.setenv("VITRINA_LLM_URL", llm_server.url)
    result = serve("assistant", port=free_port(), detach=True)
    try:
        assert httpx.get(f"{result.url}/readyz").json()["model"] == result.model == "assistant"
        answer = httpx.post(f"{result.url}{PREFIX}/describe", json=TABLE, timeout=60)
        assert answer.status_code == 200, answer.text
    finally:
        server.stop(result.name)


def test_candidates_come_from_a_served_recommender(linear_folder: Path, proxy: FaultyLLM, tmp_path: Path) -> None:
    live = LiveHistories.under(tmp_path)
    recommender = ModelService(
        lambda folder: LiveRecommender(serving.load(folder), CurrentCatalogue(None), live),
        [OPERATION],
        [live.endpoint()],
        source=linear_folder,
        predictions=tmp_path / "recommender",
        name="hybrid_recommender",
    )
    body: dict[str, Any] = {"user_id": "u000001", "count": 2, "language": "en"}
    with (
        listening(HttpService(nothing_behind, build=lambda: recommender)) as url,
        assistant(tmp_path, proxy.url, recommender_url=url) as shop,
    ):
        shop.ask("recommend", body)
        content = proxy.completions[0]["messages"][-1]["content"]
        offered = [
            each["product_id"] for each in json.loads(content.split('name="candidates">')[1].split("</data>")[0])
        ]
        assert len(offered) >= 8
        said = [{"product_id": each, "reason": "It suits you."} for each in (*offered[1:3], "p-of-mine")]
        proxy.faults.says = json.dumps({"recommendations": said, "summary": ""})
        answer = shop.ask("recommend", body).json()
        assert [each["product_id"] for each in answer["answer"]["recommendations"]] == offered[1:3]
        records = shop.records()
        assert "u000001" not in json.dumps(records)  # a digest tells users apart
        assert len({each["user"] for each in records}) == 1
        assert records[0]["user"]
        assert "u000001" not in json.dumps(proxy.completions)
        nothing = shop.ask("recommend", body | {"category": "There > Is > None"})
        assert nothing.status_code == 422
        assert "no product" in nothing.json()["error"]["message"]
    with assistant(tmp_path, proxy.url, recommender_url=url) as shop:
        away = shop.ask("recommend", body)
        assert away.status_code == 503
        assert "recommender cannot be reached" in away.json()["error"]["message"]


def test_the_catalogue_gives_examples_and_shows_what_is_made_up(proxy: FaultyLLM, tmp_path: Path) -> None:
    start, end = pd.Timestamp("2024-11-01", tz="UTC"), pd.Timestamp("2025-11-01", tz="UTC")
    store = draw_catalogue(2000, np.random.default_rng(7), start=start, end=end, drift=False)
    write_table(store[list(CATALOGUE.names)], CATALOGUE, tmp_path / "catalogue.parquet")
    english = store[
        (store["language"] == "en")
        & [material in text for material, text in zip(store["material"], store["description"], strict=True)]
    ]
    row = english.iloc[0]
    other = next(each for each in english["material"] if each not in row["description"])
    facts = {name: row[name] for name in ("product_id", "title", "brand", "category")}
    body = {"product": facts | {"attributes": dict(row["attributes"])}, "language": "en"}
    told = {"title": row["title"], "description": row["description"], "highlights": []}
    with assistant(tmp_path, proxy.url, catalogue=tmp_path / "catalogue.parquet") as shop:
        proxy.faults.says = json.dumps(told)
        assert shop.ask("describe", body).json()["acceptable"] is True
        roles = [each["role"] for each in proxy.completions[0]["messages"]]
        assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
        proxy.faults.says = json.dumps(told | {"description": row["description"].replace(row["material"], other)})
        answer = shop.ask("describe", body).json()
        assert answer["acceptable"] is False
        assert "invented" in {each["kind"] for each in answer["checks"]}
