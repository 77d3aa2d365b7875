"""The assistant over real HTTP, on a real language model's server (a tiny Granite): answers, streams, limits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.assistant_services import PREFIX, QUESTION, TABLE, Marking, Shop, assistant, events_of
from tests.faulty_llm import FaultyLLM, faulty
from tests.listening import listening, until
from tests.llm_server import LLMServer


@pytest.fixture(scope="module")
def shop(llm_server: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with assistant(tmp_path_factory.mktemp("home"), llm_server.url) as found:
        yield found


@pytest.fixture
def proxy(llm_server: LLMServer) -> Iterator[FaultyLLM]:
    with faulty(llm_server) as found:
        yield found


def test_a_product_is_described(shop: Shop) -> None:
    answer = shop.ask("describe", TABLE)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["answer"]["title"]
    assert body["answer"]["description"]
    assert body["fallback"] is None
    assert body["version"] == "built-in"
    assert body["variant"] == "production"
    assert body["usage"]["prompt_tokens"] > 100
    assert body["usage"]["completion_tokens"] > 0
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["acceptable"] is not any(each["severity"] == "error" for each in body["checks"])


@pytest.mark.parametrize("how", ["stream", "accept"])
def test_a_stream_ends_with_the_whole(shop: Shop, how: str) -> None:
    asked = TABLE | ({"stream": True} if how == "stream" else {})
    answer = shop.ask("describe", asked, headers={"accept": "text/event-stream" if how == "accept" else "*/*"})
    assert answer.headers["content-type"] == "text/event-stream"
    *tokens, (last, done) = events_of(answer.text)
    assert last == "done"
    assert {name for name, _ in tokens} == {"token"}
    said = "".join(data["text"] for _, data in tokens)
    assert done["answer"]["description"].split() == said.split()[-len(done["answer"]["description"].split()) :]
    assert done["usage"]["completion_tokens"] > 3
    assert done["request_id"] == answer.headers["x-request-id"]


def test_a_reply_is_logged_without_personal_data(shop: Shop) -> None:
    shop.stream("reply", QUESTION, headers={"x-request-id": "who-asked"})
    [record] = [each for each in shop.records() if each["request_id"] == "who-asked"]
    assert record["task"] == "reply"
    assert record["label"] in ("accepted", "flagged")
    assert record["inputs"]["message"] == "Where is my order 4711? Write to [email] or call [phone]."
    assert record["prompt_tokens"] > 0


def test_recommendations_without_candidates_need_a_recommender(shop: Shop) -> None:
    answer = shop.ask("recommend", {"language": "en"})
    assert answer.status_code == 422
    assert "candidates" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("task", "body", "said"),
    [
        ("describe", {}, "body.product"),
        ("describe", {"product": {"title": " "}}, "body.product.title"),
        ("describe", TABLE | {"colour": "red"}, "body.colour"),
        ("describe", TABLE | {"sampling": {"temperature": 9}}, "body.sampling.temperature"),
        ("describe", TABLE | {"sampling": {"max_tokens": 5000}}, "do not fit"),
        ("market-analysis", {}, "nothing to analyse"),
        ("reply", {"message": "x" * 5000}, "body.message"),
        ("recommend", {"candidates": [{"product_id": "a", "title": "A"}] * 2}, "names a product twice"),
    ],
)
def test_what_cannot_be_answered_is_a_422_with_a_sentence(shop: Shop, task: str, body: dict, said: str) -> None:
    answer = shop.ask(task, body)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]["message"]


def test_a_text_of_200_000_tokens_is_refused_before_anything_is_sent(proxy: FaultyLLM, tmp_path: Path) -> None:
    words = "word " * 200_000
    with assistant(tmp_path, proxy.url) as shop:
        facts = [{"title": f"Fact {n}", "text": words[:4000]} for n in range(20)]
        assert shop.ask("reply", QUESTION | {"message": words}).status_code == 413
        long = shop.ask("reply", QUESTION | {"facts": facts})
        assert long.status_code == 422
        assert "do not fit into the model's context of 4,096" in long.json()["error"]["message"]
    assert not proxy.completions


def test_the_models_own_tokenizer_counts_exactly(tiny_granite: Path, llm_server: LLMServer, tmp_path: Path) -> None:
    with assistant(tmp_path, llm_server.url, tokenizer=tiny_granite / "tokenizer.json", context=200) as shop:
        said = shop.ask("describe", TABLE).json()["error"]["message"]
    counted = int(said.split("about ")[1].split(" tokens")[0])
    with assistant(tmp_path, llm_server.url) as shop:
        used = shop.ask("describe", TABLE).json()["usage"]["prompt_tokens"]
    assert abs(counted - used) <= 0.05 * used


def test_a_key_that_spent_its_tokens_is_told_when_there_are_more(proxy: FaultyLLM, tmp_path: Path) -> None:
    with assistant(tmp_path, proxy.url, keys="first-key,second-key", tokens_per_minute=700) as shop:
        assert shop.ask("describe", TABLE).status_code == 401
        first = {"x-api-key": "first-key"}
        until(lambda: time.time() % 60 < 45, 20)  # the minute must not end meanwhile
        used = shop.ask("describe", TABLE, headers=first).json()["usage"]
        report = shop.client.get(f"{PREFIX}/usage", headers=first).json()
        assert report["minute"] == sum(used.values())
        assert report["minute_limit"] == 700
        refused = shop.ask("describe", TABLE, headers=first)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert shop.ask("describe", TABLE, headers={"x-api-key": "second-key"}).status_code == 200
        assert len(proxy.completions) == 2
        exposed = shop.client.get("/metrics").text
        assert "first-key" not in exposed + json.dumps(shop.records())


def test_more_requests_than_run_and_wait_are_turned_away(proxy: FaultyLLM, tmp_path: Path) -> None:
    proxy.faults.latency = 1.0
    with assistant(tmp_path, proxy.url, running=2, waiting=2) as shop, ThreadPoolExecutor(7) as pool:
        answers = list(pool.map(lambda _: shop.ask("describe", TABLE), range(7)))
        refused = [each for each in answers if each.status_code == 429]
        assert len(refused) == 3
        assert all(each.headers["retry-after"] for each in refused)
        assert sum(each.status_code == 200 for each in answers) == 4
        assert shop.metric("vitrina_assistant_requests") == 0


def test_who_leaves_a_stream_ends_the_generation(proxy: FaultyLLM, tmp_path: Path) -> None:
    proxy.faults.endless = True
    with assistant(tmp_path, proxy.url) as shop:
        with shop.client.stream("POST", f"{PREFIX}/describe", json=TABLE | {"stream": True}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: token"
            until(lambda: proxy.open_streams == 1)
        until(lambda: proxy.open_streams == 0, 3)
        until(lambda: shop.metric('vitrina_assistant_answers_total{outcome="left"') == 1, 3)
        used = shop.client.get(f"{PREFIX}/usage").json()["minute"]
        assert 0 < used < 3000  # the prompt and what had come, not nothing and not all that was reserved for ever


def test_who_leaves_before_the_answer_frees_the_place(proxy: FaultyLLM, tmp_path: Path) -> None:
    proxy.faults.latency = 5.0
    with assistant(tmp_path, proxy.url, running=1, waiting=0) as shop:
        with pytest.raises(httpx.ReadTimeout):
            shop.ask("describe", TABLE, timeout=0.5)
        proxy.faults.latency = 0.0
        until(lambda: shop.metric('vitrina_assistant_requests{state="running"}') == 0, 3)
        assert shop.ask("describe", TABLE).status_code == 200


def test_streams_at_the_same_time_are_neither_dropped_nor_mixed(llm_server: LLMServer, tmp_path: Path) -> None:
    proxy, count = Marking(llm_server), 24
    with listening(proxy.application()) as root, assistant(tmp_path, f"{root}/v1", first_token_seconds=50) as shop:
        ready = threading.Barrier(count)

        def told(marker: str) -> list[str]:
            ready.wait()
            *tokens, (name, done) = shop.stream("describe", TABLE | {"product": {"title": f"Lamp {marker}"}})
            assert name == "done"
            said = "".join(data["text"] for _, data in tokens).split()
            assert done["answer"]["description"].split() == said
            return said

        markers = [f"marker-{number}" for number in range(count)]
        with ThreadPoolExecutor(count) as pool:
            for marker, said in zip(markers, pool.map(told, markers), strict=True):
                assert len(said) > 5
                assert said == proxy.said[marker]


def test_the_routes_are_documented(shop: Shop) -> None:
    document = shop.client.get("/docs.json").json()
    for path in ("describe", "recommend", "market-analysis", "reply"):
        described = document["paths"][f"{PREFIX}/{path}"]["post"]
        assert set(described["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
        assert described["requestBody"]["content"]["application/json"]["example"]
    schemas = document["components"]["schemas"]
    assert {"DescribeRequest", "ProductFacts", "DescribeAnswered", "DescribeAnswer", "ErrorBody"} <= schemas.keys()
    assert "product" in schemas["DescribeRequest"]["required"]


def test_every_documented_example_is_answered(shop: Shop) -> None:
    for path, described in shop.client.get("/docs.json").json()["paths"].items():
        if path.startswith(PREFIX) and "post" in described:
            example = described["post"]["requestBody"]["content"]["application/json"]["example"]
            answer = shop.client.post(path, json=example | {"sampling": {"max_tokens": 40}})
            assert answer.status_code in (200, 503), answer.text  # a tiny model does not always answer in JSON


def test_what_happened_is_counted(shop: Shop) -> None:
    before = shop.metric("vitrina_assistant_first_token_seconds_count")
    shop.stream("describe", TABLE)
    assert shop.metric("vitrina_assistant_first_token_seconds_count") == before + 1
    assert shop.metric('vitrina_assistant_tokens_total{caller="open",direction="in"') > 0
    assert shop.metric('vitrina_assistant_answers_total{outcome="accepted",task="describe"') > 0
    assert shop.metric("vitrina_assistant_breaker") == 0
