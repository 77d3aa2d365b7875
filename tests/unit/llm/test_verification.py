"""Checks of a server: the real one as it is, and with faults in front of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.faulty_llm import Faults, FaultyLLM
from tests.llm_server import LLMServer, free_port
from vitrina.errors import UsageError
from vitrina.llm import troubleshooting
from vitrina.llm.endpoint import Endpoint
from vitrina.llm.verification import Check, Verification, verify

METRICS = """# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model_name="granite"} 0.0
# TYPE vllm:num_preemptions counter
vllm:num_preemptions_total{model_name="granite"} 3.0
"""


def _lines(found: Verification) -> dict[str, Check]:
    return {check.name: check for check in found.checks}


def _verified(server: LLMServer | FaultyLLM, **options: Any) -> dict[str, Check]:
    return _lines(verify(Endpoint(url=server.url, **options)))


def test_a_real_server_passes_and_what_it_cannot_do_is_noted(llm_server: LLMServer) -> None:
    found = verify(Endpoint(url=llm_server.url))
    lines = _lines(found)

    assert found.passed
    assert found.model == llm_server.model
    passed = {name for name, line in lines.items() if line.status == "pass"}
    assert passed == {"ready", "models", "generation", "streaming", "response format", "error format"}
    assert "ignored" in lines["structured output"].detail
    assert "does not state its limit" in lines["context limit"].detail
    assert "pinned to" in lines["error format"].detail
    assert lines["generation"].seconds > 0


def test_nobody_at_the_address_fails_and_nothing_else_is_tried() -> None:
    found = verify(Endpoint(url=f"http://127.0.0.1:{free_port()}"))

    assert not found.passed
    assert found.checks[0].detail.startswith("nobody answers")
    assert {check.status for check in found.checks[1:]} == {"skip"}
    assert "Nobody listens" in found.diagnoses[0].reason


def test_a_server_that_loads_is_waited_for(proxy: FaultyLLM) -> None:
    proxy.faults.ready_at = time.monotonic() + 2
    told: list[str] = []

    found = verify(Endpoint(url=proxy.url), wait=60, tell=told.append)

    assert found.passed
    assert "after" in found.checks[0].detail
    assert any("Waiting for the server: loading" in line for line in told)


def test_a_server_that_does_not_load_in_time_is_diagnosed(proxy: FaultyLLM) -> None:
    proxy.faults.ready_at = time.monotonic() + 60

    found = verify(Endpoint(url=proxy.url), wait=1)

    assert not found.passed
    assert "not ready (503) after 1 s" in found.checks[0].detail
    assert "still fetching or loading" in found.diagnoses[0].reason


def test_a_model_that_is_not_served_is_named(llm_server: LLMServer) -> None:
    line = _verified(llm_server, model="granite-9")["models"]

    assert line.status == "fail"
    assert line.detail == f"granite-9 is not served: the server lists {llm_server.model}"


def test_a_model_that_is_served_without_being_listed_is_noted(proxy: FaultyLLM) -> None:
    proxy.faults.lists_nothing = True

    line = _verified(proxy, model=proxy.model)["models"]
    assert (line.status, line.detail) == ("note", f"{proxy.model} is served, but the server lists nothing")
    assert _verified(proxy)["models"].detail == "no model to ask: the server lists nothing"


def test_a_stream_that_dies_fails_its_line_alone(proxy: FaultyLLM) -> None:
    proxy.faults.dies_after = 5

    failed = {name for name, line in _verified(proxy).items() if line.status == "fail"}

    assert failed == {"streaming"}


def test_an_endless_stream_is_given_up(proxy: FaultyLLM) -> None:
    proxy.faults.endless = True
    started = time.monotonic()

    line = _verified(proxy, total_timeout=4)["streaming"]

    assert (line.status, "did not end within 4 s" in line.detail) == ("fail", True)
    assert time.monotonic() - started < 30


def test_the_context_limit_that_the_server_states_is_tried(proxy: FaultyLLM) -> None:
    proxy.faults.context = 300

    lines = _verified(proxy)

    assert "at most 300 tokens" in lines["models"].detail
    assert lines["context limit"].status == "pass"
    assert "maximum context length is 300" in lines["context limit"].detail


def test_a_limit_that_is_not_kept_fails(llm_server: LLMServer) -> None:
    line = _lines(verify(Endpoint(url=llm_server.url), context=50))["context limit"]

    assert line.status == "fail"
    assert "though 50 are the limit" in line.detail


def test_structured_output_is_reported_as_held_or_refused(proxy: FaultyLLM) -> None:
    proxy.faults.says = '{"colour": "ultramarine"}'
    assert _verified(proxy)["structured output"].status == "pass"

    proxy.faults = Faults(refuses_format=True)
    line = _verified(proxy)["structured output"]
    assert (line.status, "response_format is not supported" in line.detail) == ("note", True)


def test_the_key_is_needed_checked_and_never_shown(proxy: FaultyLLM) -> None:
    proxy.faults.key = "sk-right"
    assert _verified(proxy, key="sk-right")["API key"].status == "pass"

    found = verify(Endpoint(url=proxy.url, key="sk-wrong"))
    assert not found.passed
    assert "refuses the API key (401)" in _lines(found)["models"].detail
    assert "sk-wrong" not in found.model_dump_json()


def test_a_key_that_nobody_checks_fails(llm_server: LLMServer) -> None:
    line = _verified(llm_server, key="sk-any")["API key"]

    assert (line.status, line.detail) == ("fail", "a wrong key gets 200")


def test_answers_without_text_or_without_json_fail(proxy: FaultyLLM) -> None:
    proxy.faults.says = ""
    assert _verified(proxy)["generation"].detail == "the answer is empty"


def test_a_late_server_is_diagnosed(proxy: FaultyLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubleshooting, "LATE", 0.5)
    proxy.faults.latency = 1.0

    found = verify(Endpoint(url=proxy.url))

    assert found.passed
    assert "A short answer takes" in found.diagnoses[0].trouble


def test_vllms_own_figures_are_read_where_it_shows_them(proxy: FaultyLLM) -> None:
    from vitrina.llm.probe import Probe
    from vitrina.llm.verification import checks_of

    proxy.faults.metrics = METRICS
    with Probe(Endpoint(url=proxy.url)) as probe:
        list(checks_of(probe, 0, lambda what: None))

    assert probe.seen.server is not None
    assert probe.seen.server["waiting_max"] == 0
    assert probe.seen.server["preemptions"] == 0, "those of before are not this run's"


def test_an_unknown_gpu_is_refused_before_anything_is_asked(proxy: FaultyLLM) -> None:
    with pytest.raises(UsageError, match="not a GPU"):
        verify(Endpoint(url=proxy.url), gpu="Voodoo")
    assert proxy.completions == []
