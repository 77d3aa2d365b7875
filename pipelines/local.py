"""Run a pipeline on this machine with `kfp.local`: the same components, each in a process of its own."""

from __future__ import annotations

import builtins
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

from kfp import local
from kfp.dsl.base_component import BaseComponent
from pydantic import BaseModel, ConfigDict

from pipelines.journal import Journal, TaskRun
from vitrina.errors import UsageError, VitrinaError

LARGEST_ARGUMENTS = 100_000
"""Bytes: kfp passes them on a command line, which Linux cuts at 128 KiB."""


class PipelineFailed(VitrinaError):
    """A task that failed, or a condition that could not be evaluated."""

    exit_code = 8


class PipelineRun(BaseModel):
    """What a run did; `outputs` is task → output → value, a path for an artifact."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    seconds: float
    tasks: list[TaskRun]
    outputs: dict[str, dict[str, Any]]
    root: Path
    log: Path


def run(
    pipeline: BaseComponent,
    parameters: Mapping[str, Any],
    root: Path,
    echo: Callable[[TaskRun], None] = lambda _: None,
) -> PipelineRun:
    """Run a Python pipeline or one loaded from compiled YAML; all outputs stay below a new folder in `root`.

    Args:
        echo: called when a task starts and when it ends.

    Raises:
        UsageError: unknown, missing or ill-typed parameters; paths that kfp would rewrite.
        PipelineFailed: names the task and says why.
    """
    name = str(pipeline.pipeline_spec.pipeline_info.name)
    arguments = typed_parameters(pipeline, parameters)
    folder = root.absolute() / f"{name}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    _check_arguments(folder, arguments)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    journal = Journal(folder / "run.log", echo)
    with journal, _captured(journal):
        error = _execute(pipeline, arguments, folder)
    _raise_for(name, journal, error, folder / "run.log")
    return PipelineRun(
        pipeline=name,
        seconds=time.perf_counter() - started,
        tasks=[*journal.tasks, *_skipped(pipeline, journal.skipped)],
        outputs=_outputs(folder),
        root=folder,
        log=folder / "run.log",
    )


def typed_parameters(pipeline: BaseComponent, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` in the types that the pipeline declares; a mapping or list becomes JSON text.

    Raises:
        UsageError: an unknown name, a missing one, or a value of another type.
    """
    declared = pipeline.component_spec.inputs or {}
    if unknown := sorted(set(parameters) - set(declared)):
        raise UsageError(f"The pipeline has no parameter {', '.join(unknown)}. It has: {', '.join(declared)}.")
    if missing := [name for name, spec in declared.items() if not spec.optional and name not in parameters]:
        raise UsageError(f"The pipeline needs a value for {', '.join(missing)}.")
    return {name: _typed(name, declared[name].type, value) for name, value in parameters.items()}


def _typed(name: str, kind: str, value: Any) -> Any:
    try:
        if kind == "Integer":
            return int(value)
        if kind == "Float":
            return float(value)
        if kind == "Boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"Parameter {name} is of type {kind}; {value!r} is not.") from error
    return value if isinstance(value, str) else json.dumps(value)


def _check_arguments(folder: Path, arguments: Mapping[str, Any]) -> None:
    for name, value in {"the folder of the run": folder, **arguments}.items():
        if "python3" in str(value):
            raise UsageError(f"{name} holds 'python3', which kfp.local would rewrite: {value}. Choose another.")
    if len(json.dumps(arguments).encode()) > LARGEST_ARGUMENTS:
        raise UsageError(f"The parameters are larger than {LARGEST_ARGUMENTS:,} bytes; pass the path of a file.")


def _execute(pipeline: BaseComponent, arguments: dict[str, Any], folder: Path) -> Exception | None:
    with tempfile.TemporaryDirectory() as workspace:
        local.init(local.SubprocessRunner(use_venv=False), str(folder), workspace, raise_on_error=True)
        try:
            pipeline(**arguments)
        except Exception as error:  # kfp raises RuntimeError, ValueError, KeyError and more for the same causes
            return error
    return None


@contextmanager
def _captured(journal: Journal) -> Iterator[None]:
    """Send what kfp prints, logs and warns of to the journal."""
    root = logging.getLogger()
    before, level, original_print = list(root.handlers), root.level, print
    root.addHandler(logging.StreamHandler(journal))
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with redirect_stdout(journal):
            yield
    finally:  # kfp swaps print and handlers too, and parallel tasks leave its own behind
        builtins.print = original_print
        logging.captureWarnings(False)
        root.handlers[:] = before
        root.setLevel(level)


def _raise_for(name: str, journal: Journal, error: Exception | None, log: Path) -> None:
    failed = [task.name for task in journal.tasks if task.status == "failed"]
    if failed:
        raise PipelineFailed(f"{name}: task {failed[-1]} failed: {journal.failure()}\nLog: {log}")
    if error:
        raise PipelineFailed(f"{name} failed: {error}\nLog: {log}") from error
    if journal.silent_errors:
        raise PipelineFailed(f"{name} took a wrong branch: {journal.silent_errors[0]}\nLog: {log}")


def _skipped(pipeline: BaseComponent, groups: list[str]) -> Iterator[TaskRun]:
    """The tasks inside the condition groups that were not entered."""
    components = pipeline.pipeline_spec.components
    for group in groups:
        for task in components[f"comp-{group}"].dag.tasks:
            if f"comp-{task}" in components and components[f"comp-{task}"].HasField("dag"):
                yield from _skipped(pipeline, [task])
            else:
                yield TaskRun(name=task, status="skipped")


def _outputs(folder: Path) -> dict[str, dict[str, Any]]:
    outputs: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.rglob("executor_output.json"), key=lambda path: path.stat().st_mtime_ns):
        content = json.loads(file.read_text(encoding="utf-8"))
        artifacts = content.get("artifacts", {})
        outputs[file.parent.name] = {
            **content.get("parameterValues", {}),
            **{name: listed["artifacts"][0]["uri"] for name, listed in artifacts.items()},
        }
    return outputs
