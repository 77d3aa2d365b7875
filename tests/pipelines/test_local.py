"""The local runner: a readable table of tasks, real reasons for failures, no silently wrong branch."""

# No `from __future__ import annotations`: kfp reads the types of the components below.

import builtins
import json
import logging
from pathlib import Path

import pytest
from kfp import dsl
from kfp.dsl import Dataset, Input

from components._base import component
from components.merge import merge
from components.validate import validate
from pipelines.journal import TaskRun
from pipelines.local import PipelineFailed, run, typed_parameters
from vitrina.errors import UsageError


@component
def at_least(value: int, minimum: int) -> bool:
    return value >= minimum


@component
def breaks(data: Input[Dataset]) -> int:
    return 1 // len(data.path[:0])


@component
def number() -> int:
    return 3


@component
def text() -> str:
    return "it's"


@dsl.pipeline(name="vitrina-light")
def light(tables: str, additions: str, minimum: int = 2) -> None:
    merged = merge(tables=tables, additions=additions)
    enough = at_least(value=merged.outputs["Output"], minimum=minimum)
    with dsl.If(enough.output == True):  # noqa: E712
        validate(tables=merged.outputs["merged"])


def parameters(messages: Path, labelled: Path) -> dict:
    return {"tables": {"messages": str(messages)}, "additions": {"messages": str(labelled)}}


def test_a_run_answers_its_tasks_with_status_seconds_and_outputs(
    tmp_path: Path, messages: Path, labelled: Path
) -> None:
    heard: list[TaskRun] = []
    result = run(light, parameters(messages, labelled), tmp_path / "runs", heard.append)
    assert [(task.name, task.status) for task in result.tasks] == [
        ("merge", "succeeded"),
        ("at-least", "succeeded"),
        ("validate", "succeeded"),
    ]
    assert all(task.seconds > 0 for task in result.tasks)
    assert result.seconds >= sum(task.seconds for task in result.tasks)
    assert [(task.name, task.status) for task in heard[:2]] == [("merge", "running"), ("merge", "succeeded")]
    assert result.outputs["merge"]["Output"] == 2
    assert (Path(result.outputs["merge"]["merged"]) / "messages.parquet").is_file()
    assert json.loads(Path(result.outputs["validate"]["report"]).read_text())["messages"]["rows"] == 31
    assert "Executing task" in result.log.read_text()


def test_tasks_behind_a_false_condition_are_listed_as_skipped(tmp_path: Path, messages: Path, labelled: Path) -> None:
    result = run(light, {**parameters(messages, labelled), "minimum": "3"}, tmp_path / "runs")
    assert result.tasks[-1] == TaskRun(name="validate", status="skipped")
    assert "validate" not in result.outputs


def test_a_mistake_in_the_data_is_told_in_its_own_sentence(tmp_path: Path, messages: Path) -> None:
    wrong = {"tables": {"messages": str(messages)}, "additions": {"messages": str(tmp_path / "absent.parquet")}}
    with pytest.raises(PipelineFailed) as error:
        run(light, wrong, tmp_path / "runs")
    first, log = str(error.value).split("\n")
    assert first == f"vitrina-light: task merge failed: {tmp_path}/absent.parquet does not exist (table messages)."
    assert Path(log.removeprefix("Log: ")).is_file()


def test_a_defect_in_a_task_shows_the_task_traceback(tmp_path: Path, messages: Path) -> None:
    @dsl.pipeline(name="vitrina-broken")
    def broken(tables: str) -> None:
        breaks(data=merge(tables=tables, additions="{}").outputs["merged"])

    with pytest.raises(PipelineFailed, match=r"task breaks failed:[\s\S]*Traceback[\s\S]*ZeroDivisionError"):
        run(broken, {"tables": {"messages": str(messages)}}, tmp_path / "runs")


def test_a_condition_that_kfp_cannot_evaluate_is_an_error_not_a_skipped_branch(tmp_path: Path) -> None:
    @dsl.pipeline(name="vitrina-quoted")
    def quoted() -> None:
        with dsl.If(text().output == "it's"):
            number()

    with pytest.raises(PipelineFailed, match="took a wrong branch: Condition evaluation failed"):
        run(quoted, {}, tmp_path / "runs")


def test_a_run_leaves_print_and_logging_as_they_were(tmp_path: Path) -> None:
    @dsl.pipeline(name="vitrina-parallel")
    def parallel() -> None:
        with dsl.ParallelFor([1, 2]) as item:
            at_least(value=item, minimum=2)

    before = (builtins.print, logging.getLogger().level, list(logging.getLogger().handlers))
    run(parallel, {}, tmp_path / "runs")
    assert (builtins.print, logging.getLogger().level, list(logging.getLogger().handlers)) == before


def test_parameters_take_the_types_of_the_pipeline() -> None:
    taken = typed_parameters(light, {"tables": {"messages": "m.parquet"}, "additions": "{}", "minimum": "5"})
    assert taken == {"tables": '{"messages": "m.parquet"}', "additions": "{}", "minimum": 5}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"tables": "{}", "additions": "{}", "speed": 1}, "no parameter speed. It has: tables, additions, minimum"),
        ({"tables": "{}"}, "needs a value for additions"),
        ({"tables": "{}", "additions": "{}", "minimum": "many"}, "minimum is of type Integer"),
        ({"tables": '{"messages": "/opt/python3/m.parquet"}', "additions": "{}"}, "would rewrite"),
        ({"tables": "{}", "additions": "x" * 130_000}, "larger than"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_runs(tmp_path: Path, given: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(light, given, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_root_that_kfp_would_rewrite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Choose another"):
        run(light, {"tables": "{}", "additions": "{}"}, tmp_path / "python3")
