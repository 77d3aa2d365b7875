"""The whole benchmark: the verdict, the page, and real runs against a real server."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.llm_server import LLMServer
from vitrina.errors import ServiceError, UsageError
from vitrina.jobs import llm_benchmark
from vitrina.llm.benchmark.environment import guidellm
from vitrina.llm.benchmark.load import Load, Objective
from vitrina.llm.benchmark.measures import Level, Request, Run, measure
from vitrina.llm.benchmark.page import page
from vitrina.llm.benchmark.sweep import Report, judge, sweep
from vitrina.llm.endpoint import Endpoint
from vitrina.llm.sampling import Sampling


def level(streams: int, ttft_ms: float, *, count: int = 40, error: str | None = None) -> Level:
    """`streams` that answer one after the other, each request in half a second."""
    answered = [
        Request(0.5 * (i // streams), 0.5 * (i // streams + 1), ttft_ms, 5.0, 30, 60, None) for i in range(count)
    ]
    failed = [Request(0.0, 0.1, None, None, 0, 0, None, error)] if error else []
    return measure(Run(0.0, 0.5 * count / streams, answered, failed, []), "concurrent", streams, Objective())


def report(levels: list[Level], **more) -> Report:
    load = Load(levels=tuple(level.level for level in levels))
    verdict = judge(levels, Objective())
    facts = {
        "url": "http://host/v1",
        "model": "granite",
        "made": "2026-11-21T22:00:00+00:00",
        "prompts": "of 9 products",
    }
    return Report(**{**facts, **more}, load=load, objective=Objective(), levels=levels, verdict=verdict)


def test_the_promise_is_kept_by_a_level_with_more_requests_at_once_than_promised():
    verdict = judge([level(4, 100), level(20, 200), level(40, 900)], Objective())
    assert verdict.met
    assert verdict.highest == 20
    assert "20 at once" in verdict.words


def test_a_level_that_holds_with_too_few_at_once_is_not_enough():
    verdict = judge([level(4, 100), level(20, 900)], Objective())
    assert not verdict.met
    assert verdict.highest == 4
    assert verdict.words.endswith("but more than 10 at once were asked for.")


def test_where_no_level_holds_the_best_is_named():
    verdict = judge([level(4, 900), level(8, 900)], Objective())
    assert (verdict.met, verdict.highest) == (False, None)
    assert "No level holds" in verdict.words


def test_the_page_stands_alone_and_trusts_no_text():
    levels = [level(4, 100), level(20, 800, error="<script>alert(1)</script>")]
    levels[1] = levels[1].model_copy(update={"server": {"waiting_max": 3.0}, "gpu": {"utilization_mean": 0.8}})
    shown = page(report(levels, model="<b>granite</b>"))
    assert shown.count("<svg") == 4
    assert "<script" not in shown
    assert "&lt;b&gt;granite" in shown
    assert not re.search(r"""(?:src|href)=["']?https?://""", shown.replace("xlink:href", "x"))
    assert "GPU utilization mean" in shown
    assert "waiting max" in shown
    assert "Holds up to 4 at once" in shown


def test_a_benchmark_needs_something_to_ask(tmp_path):
    with pytest.raises(UsageError, match="products to ask about"):
        sweep(Endpoint(url="http://127.0.0.1:9"), Load(), tmp_path)


def test_a_server_that_is_away_is_said_before_anything_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    away = Endpoint(url="http://127.0.0.1:9", model="granite", retries=0, connect_timeout=0.5)
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        sweep(away, Load(prompt_tokens=9), tmp_path)
    assert not (tmp_path / "home").exists()


def test_a_notebook_may_ask_too_whose_event_loop_runs_already(tmp_path):
    away = Endpoint(url="http://127.0.0.1:9", model="granite", retries=0, connect_timeout=0.5)

    async def cell() -> None:
        sweep(away, Load(prompt_tokens=9), tmp_path)

    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        asyncio.run(cell())


@pytest.fixture(scope="module")
def generator() -> str:
    """guidellm, installed under `.vitrina` of the working tree where it is not yet."""
    try:
        return str(guidellm(quiet=True))
    except ServiceError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_server_is_measured_by_the_real_guidellm(
    generator, llm_server: LLMServer, tiny_granite: Path, tmp_path, monkeypatch
):
    monkeypatch.setenv("VITRINA_GUIDELLM", generator)
    said: list[str] = []
    load = Load(levels=(1, 2), requests=20, warmup=2, seconds=60, sampling=Sampling(max_tokens=16, frequency_penalty=0))
    result = llm_benchmark(Endpoint(url=llm_server.url), tmp_path / "out", load, tell=said.append)
    assert result.model == llm_server.model
    one, two = (Level.model_validate(each) for each in result.levels)
    for found in (one, two):
        assert found.requests >= 20
        assert not found.errors
        assert 1 <= found.output_tokens <= 16
        assert 0 < found.ttft_ms["p50"].value < found.e2e_ms["p50"].value
        assert found.ttft_ms["p50"].low <= found.ttft_ms["p50"].value <= found.ttft_ms["p50"].high
    assert 0.8 < one.concurrency <= 1
    assert 1.6 < two.concurrency <= 2
    assert any("answered" in words for words in said)
    kept = json.loads(Path(result.json_file).read_text())
    assert kept["verdict"] == result.verdict
    assert Path(result.page).read_text().count("<svg") == 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_synthetic_prompts_arrive_by_the_clock(
    generator, llm_server: LLMServer, tiny_granite: Path, tmp_path, monkeypatch
):
    monkeypatch.setenv("VITRINA_GUIDELLM", generator)
    load = Load(
        arrivals="poisson",
        levels=(3,),
        requests=20,
        warmup=1,
        seconds=60,
        prompt_tokens=40,
        sampling=Sampling(max_tokens=4),
    )
    report = sweep(Endpoint(url=llm_server.url), load, tmp_path, tokenizer=str(tiny_granite))
    (found,) = report.levels
    assert found.requests >= 16  # those that overlap the warm-up are not counted
    assert 40 <= found.prompt_tokens <= 60  # and the chat template's own
    assert 1.0 < found.requests_per_second < 6.0
    assert found.late_ms["p50"].value >= 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_refuses_every_request_is_told_in_one_sentence(generator, llm_server: LLMServer, tmp_path):
    with pytest.raises(ServiceError, match="no-such-model") as caught:
        sweep(Endpoint(url=llm_server.url, model="no-such-model"), Load(prompt_tokens=9), tmp_path, tokenizer="x")
    assert "\n" not in str(caught.value)
