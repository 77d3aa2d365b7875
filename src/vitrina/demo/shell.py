"""Runs commands of this CLI as a user would, and keeps the story: one line a step with what happened and how long."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vitrina.errors import VitrinaError


class StepFailed(VitrinaError):
    """A command of the demo failed; its own sentence was printed above."""

    exit_code = 8


@dataclass
class Step:
    """One line of the story; `happened` is filled in while the step runs."""

    name: str
    happened: str = ""
    seconds: float = 0.0


@dataclass
class Shell:
    """Commands run with `environment` on top of the current one."""

    environment: Mapping[str, str]
    steps: list[Step] = field(default_factory=list)

    def vitrina(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> Any:
        """Run `vitrina ARGUMENTS --json`; its answer. Progress on stderr is passed through.

        Raises:
            StepFailed: when it exits with another code than those of `accept`.
        """
        process = subprocess.run(
            [sys.executable, "-m", "vitrina", *arguments, "--json"],
            stdout=subprocess.PIPE,
            env={**os.environ, **self.environment},
            text=True,
        )
        if process.returncode not in accept:
            raise StepFailed(f"`vitrina {' '.join(arguments)}` failed with code {process.returncode}.")
        return json.loads(process.stdout)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Announce a step, time it, keep it for the table."""
        print(f"\n● {name}", file=sys.stderr, flush=True)
        step = Step(name)
        started = time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - started
        self.steps.append(step)
        print(f"  {step.happened}  ({step.seconds:.0f} s)", file=sys.stderr, flush=True)


def free_port(wanted: int) -> int:
    """The wanted port, or one that the system chooses when it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
