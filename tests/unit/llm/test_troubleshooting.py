"""From what was seen of a server to what is wrong with it."""

from __future__ import annotations

import pytest

from vitrina.errors import UsageError
from vitrina.llm.troubleshooting import Seen, diagnoses

WELL = {"answer_seconds": 0.9, "first_token_seconds": 0.2, "tokens_per_second": 65.0}


def _only(**seen: object) -> str:
    """The one diagnosis, all its sentences."""
    (found,) = diagnoses(Seen(**(WELL | seen)))
    return " ".join([found.trouble, found.reason, *found.changes])


def test_a_server_that_does_well_has_no_diagnosis() -> None:
    assert diagnoses(Seen(**WELL, server={"waiting_max": 3.0, "preemptions": 0.0})) == []


def test_a_server_that_loads_is_to_be_waited_for() -> None:
    said = _only(state="loading", waited=120.0)

    assert "not ready after 120 s" in said
    assert "--wait 900" in said
    assert "huggingface.co" in said


def test_a_server_that_is_absent_is_looked_for_in_the_cluster() -> None:
    said = _only(state="absent", waited=3.0)

    assert "Nobody listens" in said
    assert "kubectl describe pod" in said


def test_a_gateway_that_answers_in_its_place_is_named_by_its_status() -> None:
    assert "answers 502 in its place" in _only(state="502")


def test_late_answers_are_told_apart_by_what_the_server_shows() -> None:
    late = {"answer_seconds": 4.0, "first_token_seconds": 3.0}

    assert "2 requests wait" in _only(**late, server={"waiting_max": 2.0, "cache_used_max": 0.99})
    assert "99% full" in _only(**late, server={"waiting_max": 0.0, "cache_used_max": 0.99})
    assert "before the first token (3.0 s)" in _only(**late)
    assert "max_tokens" in _only(answer_seconds=4.0, first_token_seconds=0.3)


@pytest.mark.parametrize(
    "seen",
    [
        {"complaints": ["500: CUDA out of memory. Tried to allocate 2.00 GiB"]},
        {"server": {"preemptions": 4.0}},
    ],
)
def test_memory_that_runs_out_is_answered_step_by_step(seen: dict[str, object]) -> None:
    (found,) = diagnoses(Seen(**(WELL | seen)))

    assert found.trouble == "The GPU's memory runs out."
    int8, context, at_once = found.changes[:3]
    assert "int8" in int8
    assert "--max-model-len than 4,096" in context
    assert "--gpu-memory-utilization" in at_once


def test_slow_writing_is_compared_with_what_the_plan_allows() -> None:
    said = _only(tokens_per_second=12.0, model="granite-3-1-8b", gpu="L4", context=4096)

    assert "12 tokens/s (fewer than 20)" in said
    assert "at 4,096 tokens on one L4: bf16 18 tokens/s at most" in said
    assert "int8 33" in said


def test_without_a_known_model_the_plans_command_stands_in_for_its_numbers() -> None:
    assert "vitrina llm plan MODEL --context 4096 --gpu L4 says" in _only(
        tokens_per_second=12.0, model="our-own", gpu="L4"
    )


def test_a_model_that_cannot_fit_is_said_where_it_does_not_load() -> None:
    assert "bf16 does not fit" in _only(state="loading", model="granite-3-1-8b", gpu="L4", context=40_000).replace(
        "fp16", "bf16"
    )


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match="not a GPU"):
        diagnoses(Seen(state="loading", model="granite-3-1-8b", gpu="Voodoo"))
