"""Reads what `kfp.local` prints: keeps all of it in a file, and makes a table of tasks out of it."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["succeeded", "failed", "skipped", "running"]

STAMP = r"^\d\d:\d\d:\d\d\.\d{3} - [A-Z]+ - "
STARTED = re.compile(STAMP + r"Executing task '(.+)'$")
FINISHED = re.compile(STAMP + r"Task '(.+)' finished with status (SUCCESS|FAILURE)$")
SKIPPED = re.compile(r"Skipping conditional task (\S+) \(condition evaluated to False\)$")
SILENT = re.compile(r"Condition evaluation failed|Could not resolve")
"""What kfp.local only warns of, although the run then takes the wrong branch."""

COLOUR = re.compile(r"\x1b\[\d+m")
OWN_ERROR = re.compile(r"^vitrina\.errors\.\w+: ", re.MULTILINE)
TRACEBACK = "Traceback (most recent call last):"
INDENT = "    "
LAST_LINES = 20


class TaskRun(BaseModel):
    """One task of a run; seconds of wall time, 0 where it was skipped."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: Status
    seconds: float = 0.0


class Journal(io.TextIOBase):
    """A text stream to put in place of stdout while `kfp.local` runs."""

    def __init__(self, log: Path, echo: Callable[[TaskRun], None]) -> None:
        self.tasks: list[TaskRun] = []
        self.skipped: list[str] = []
        self.silent_errors: list[str] = []
        self._log = log.open("w", encoding="utf-8")
        self._echo = echo
        self._line = ""
        self._since = 0.0
        self._output: list[str] = []

    def write(self, text: str) -> int:
        self._log.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._read(COLOUR.sub("", line))
        return len(text)

    def flush(self) -> None:
        self._log.flush()

    def close(self) -> None:
        super().close()  # flushes
        self._log.close()

    def failure(self) -> str:
        """Why the last task failed: the sentence of a VitrinaError, otherwise its traceback or its last lines."""
        printed = "\n".join(self._output).strip()
        *_, last = printed.split(TRACEBACK)
        if own := OWN_ERROR.search(last):
            return last[own.end() :]
        if TRACEBACK in printed:
            return "\n" + printed[printed.index(TRACEBACK) :]
        return "\n".join(["", *self._output[-LAST_LINES:]]).rstrip()

    def _read(self, line: str) -> None:
        if match := STARTED.search(line):
            self._note(TaskRun(name=match[1], status="running"))
            self._since, self._output = time.perf_counter(), []
        elif match := FINISHED.search(line):
            status: Status = "succeeded" if match[2] == "SUCCESS" else "failed"
            self._note(TaskRun(name=match[1], status=status, seconds=time.perf_counter() - self._since))
        elif match := SKIPPED.search(line):
            self.skipped.append(match[1])
        elif line.startswith(INDENT):
            self._output.append(line.removeprefix(INDENT))
        elif SILENT.search(line):
            self.silent_errors.append(line)

    def _note(self, task: TaskRun) -> None:
        if task.status != "running":
            self.tasks.append(task)
        self._echo(task)
