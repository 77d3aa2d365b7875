"""One level of a load, made by guidellm: its scenario, its process, its report."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

from vitrina.artifacts import write_json
from vitrina.errors import ServiceError
from vitrina.llm.benchmark.load import Load
from vitrina.llm.endpoint import Endpoint
from vitrina.settings import TELEMETRY_OFF

START_UP = 300.0
"""Seconds that guidellm may take besides the level itself: importing, starting its workers, counting."""

PROGRESS = re.compile(r"\): (?P<phase>\w+) \| .*successful=(?P<done>\d+) errored=(?P<failed>\d+)")

Progress = Callable[[str], None]


def scenario(load: Load, level: int, endpoint: Endpoint, prompts: Path | str, report: Path) -> dict[str, Any]:
    """guidellm's configuration of one level.

    Args:
        level: its place in `load.steps`.
        endpoint: with the model's name; the key is not written, guidellm gets it in its environment.
        prompts: the file of `dataset.write_prompts`, or the tokenizer (folder or hub id) for synthetic prompts.
    """
    value, warmup = load.steps[level], load.warmup_of(load.steps[level])
    body = load.sampling.model_dump(exclude={"max_tokens"}, exclude_none=True)
    backend = {
        "kind": "openai_http",
        "target": endpoint.url,
        "api_routes": {"/v1/chat/completions": f"{'v1/' if endpoint.url.endswith('/v1') else ''}chat/completions"},
        "model": endpoint.model,
        "max_tokens": load.sampling.max_tokens,
        "extras": {"body": body | ({"ignore_eos": True} if load.whole_answers else {})},
        "timeout": endpoint.total_timeout,
        "timeout_connect": endpoint.connect_timeout,
        "http2": False,  # as the assistant's client
        "verify": True,
        "validate_backend": False,  # the server was asked before, and not all have /health
    }
    rates = {"streams": [int(value)]} if load.arrivals == "concurrent" else {"rate": [value]}
    spec: dict[str, Any] = {
        "backend": backend,
        "profile": {"kind": load.arrivals, "warmup": {"mode": "requests", "value": warmup}, **rates},
        # Requests go on until enough are answered, so that the last ones are not answered by an idle server.
        "constraints": [
            {"kind": "min_requests", "count": load.enough_of(value)},
            {"kind": "max_duration", "seconds": load.seconds},
        ],
        "metrics": {"kind": "generative", "sample_size": 0},  # times of every request, texts of none
        "seed": {"kind": "static", "value": load.seed + level},
        "outputs": [{"kind": "json", "path": str(report)}],
    }
    if isinstance(prompts, Path):
        spec["data"] = [{"kind": "json_file", "path": str(prompts)}]
    else:
        spec["data"] = [{"kind": "synthetic_text", "prompt_tokens": load.prompt_tokens}]
        spec["tokenizer"] = {"kind": "huggingface_auto", "model": prompts}
    return {"spec": spec}


def run(
    command: Path, made: Mapping[str, Any], endpoint: Endpoint, folder: Path, seconds: float, tell: Progress
) -> None:
    """Run guidellm on a scenario, in `folder`; what it says goes to `guidellm.log` there.

    Raises:
        ServiceError: it fails or hangs.
    """
    write_json(folder / "scenario.json", made)
    arguments = [str(command), "run", "--config", "scenario.json", "--disable-console"]
    with (
        (folder / "guidellm.log").open("a", encoding="utf-8") as log,
        subprocess.Popen(
            arguments,
            cwd=folder,
            env=_environment(endpoint),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # its workers end with it, whatever happens here
        ) as process,
    ):
        alarm = Timer(seconds + START_UP, _end, [process])
        alarm.start()
        try:
            for line in process.stdout or ():
                log.write(line)
                if found := PROGRESS.search(line):
                    tell(_said(found))
            code = process.wait()
        finally:
            alarm.cancel()
            _end(process)
    if code:
        raise ServiceError(f"guidellm failed ({_last_words(folder / 'guidellm.log')}); see {folder / 'guidellm.log'}.")


def _said(found: re.Match[str]) -> str:
    failed = f", {found['failed']} failed" if found["failed"] != "0" else ""
    return f"{found['phase']}, {found['done']} answered{failed}"


def _environment(endpoint: Endpoint) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GUIDELLM__")}
    workers = max(1, min(8, len(os.sched_getaffinity(0)) // 2))  # each imports torch
    added = {
        "GUIDELLM__LOGGING__CONSOLE_LOG_LEVEL": "INFO",
        "GUIDELLM__MAX_WORKER_PROCESSES": str(workers),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        **TELEMETRY_OFF,
    }
    if endpoint.key is not None:
        added["GUIDELLM__SPEC__BACKEND__API_KEY"] = endpoint.key.get_secret_value()
    return kept | added


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines[-1][:300].rstrip(".") if lines else "it said nothing"
