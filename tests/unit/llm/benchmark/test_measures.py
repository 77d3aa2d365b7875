"""Figures of a level: from a report that guidellm wrote (its own statistics left out), and from made requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitrina.errors import ServiceError
from vitrina.llm.benchmark.load import Objective
from vitrina.llm.benchmark.measures import Request, Run, measure, meets, read_run, wilson

REPORT = Path(__file__).parent / "guidellm_report.json"


def request(started: float, ttft_ms: float = 100, itl_ms: float | None = 10, tokens: int = 11, **more) -> Request:
    ended = started + (ttft_ms + (itl_ms or 0) * (tokens - 1)) / 1000
    return Request(started, ended, ttft_ms, itl_ms, 50, tokens, more.get("late_ms"), more.get("error"))


def level(requests: list[Request], *, arrivals="concurrent", failed=(), objective=None, start=0.0, end=10.0):
    return measure(Run(start, end, requests, list(failed), []), arrivals, 4, objective or Objective())


def test_a_report_of_guidellm_is_read():
    run = read_run(REPORT)
    assert [len(group) for group in (run.answered, run.failed, run.cut)] == [6, 2, 2]
    assert len(run.measured) == 4  # two belong to the warm-up
    first = run.answered[0]
    assert first.ttft_ms == pytest.approx(700.23, abs=0.01)
    assert first.itl_ms == pytest.approx(8.285, abs=0.001)
    assert first.e2e_ms == pytest.approx(801.04, abs=0.01)
    assert (first.prompt_tokens, first.output_tokens) == (858, 12)
    assert {each.error for each in run.failed} == {"Client error '429 Too Many Requests'"}


def test_a_reports_figures_are_those_of_its_requests():
    run = read_run(REPORT)
    found = measure(run, "concurrent", 2, Objective(ttft_ms=740))
    times = [each.ttft_ms for each in run.answered[2:]]
    assert found.ttft_ms["p50"].value == pytest.approx(np.median(times))
    assert found.requests == 4
    assert found.errors == {"Client error '429 Too Many Requests'": 2}
    assert found.good == pytest.approx(1 / 6)  # one of four in time, two of six refused
    assert not found.holds
    assert 1.9 < found.concurrency <= 2.0


def test_a_report_that_is_not_guidellms_second_version_is_refused(tmp_path):
    content = json.loads(REPORT.read_text())
    content["metadata"]["version"] = 3
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(ServiceError, match="report of version 3"):
        read_run(tmp_path / "report.json")


def test_the_interval_holds_the_true_median_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        times = np.random.default_rng(seed).lognormal(5, 0.4, 80)
        estimate = level([request(0.0, float(time)) for time in times]).ttft_ms["p50"]
        assert estimate.low <= estimate.value <= estimate.high
        hits += estimate.low <= np.exp(5) <= estimate.high
    assert hits >= 51  # 95% of 60 are 57; fewer than 51 come about once in a thousand times


def test_a_percentile_is_given_only_where_requests_could_show_it():
    assert set(level([request(0.0)] * 9).ttft_ms) == {"p50"}
    assert set(level([request(0.0)] * 20).ttft_ms) == {"p50", "p90", "p95"}
    assert set(level([request(0.0)] * 100).stream_tokens_per_second) == {"p50", "p10", "p5", "p1"}


def test_throughput_counts_what_ended_in_the_measured_time():
    inside = [request(float(second), tokens=11) for second in range(1, 9)]  # 0.2 s each
    warm, late = request(-0.1), request(9.95)
    found = level([warm, *inside, late])
    assert found.requests == 9  # the warm one began too early, the late one counts for latency
    assert found.requests_per_second == pytest.approx(0.9)
    assert found.tokens_per_second == pytest.approx(9 * 11 / 10)
    assert found.concurrency == pytest.approx((0.1 + 8 * 0.2 + 0.05) / 10)


def test_a_request_is_good_when_it_is_soon_and_fast():
    promise = Objective(ttft_ms=500, tokens_per_second=50)
    assert meets(request(0, 499, 19.9), promise)
    assert not meets(request(0, 501, 19.9), promise)
    assert not meets(request(0, 499, 20.1), promise)
    assert meets(request(0, 100, None, tokens=1), promise)
    assert not meets(Request(0, 1, None, None, 5, 0, None), promise)


def test_failed_requests_count_against_a_level():
    good = [request(float(each) / 10) for each in range(19)]
    assert level(good).holds
    assert level(good, failed=[request(1.0, error="refused")]).holds  # 19 of 20
    assert not level(good[:18], failed=[request(1.0, error="refused")]).holds
    assert level(good, failed=[request(1.0, error="refused")]).goodput == pytest.approx(1.9)


def test_lateness_is_told_only_where_arrivals_have_a_time():
    late = [request(0.0, late_ms=30.0)] * 20
    assert level(late, arrivals="poisson").late_ms["p50"].value == 30
    assert level(late).late_ms == {}


def test_a_level_without_answers_has_no_figures():
    empty = level([], failed=[request(1.0, error="refused")])
    assert (empty.requests, empty.ttft_ms, empty.good, empty.holds) == (0, {}, 0.0, False)


def test_a_share_has_its_interval():
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(95, 100)
    assert low == pytest.approx(0.888, abs=1e-3)
    assert high == pytest.approx(0.978, abs=1e-3)
