"""Services started for a benchmark, and wrk, which loads them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from vitrina.errors import ServiceError

START_SECONDS = 120
SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local i = 0
wrk.headers["Content-Type"] = "application/json"
request = function()
  i = i %% #bodies + 1
  return wrk.format("POST", "%s", nil, bodies[i])
end
"""


@dataclass
class Running:
    """A started service; `seconds` is what it took until it answered."""

    process: psutil.Process
    port: int
    seconds: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def processor_seconds(self) -> float:
        """Seconds of processor time that all its processes have taken so far."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(each.cpu_times().user + each.cpu_times().system for each in tree)

    def memory(self) -> float:
        """MB resident in all its processes; what they share is counted once each (PSS)."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_full_info().pss for each in tree) / 2**20


@dataclass
class Load:
    """One run of wrk: requests per second, milliseconds, and answers that were not 2xx or did not come."""

    rate: float
    median: float
    p99: float
    errors: int


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bentoml(
    folder: Path, service: str, home: Path, settings: Mapping[str, Any]
) -> contextlib.AbstractContextManager[Running]:
    """`bentoml serve` of a bento's source folder with `VITRINA_*` settings, until the block ends."""
    port = free_port()
    address = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(folder)]
    env = {f"VITRINA_{name}": str(value) for name, value in settings.items()}
    return launched(
        [sys.executable, "-m", "bentoml", "serve", *address, service],
        home,
        port,
        {**env, "BENTOML_HOME": str(home / "bentoml")},
    )


@contextlib.contextmanager
def launched(command: list[str], home: Path, port: int, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A service that listens on `port`, until the block ends; `home` is made for its log."""
    home.mkdir()
    inherited = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    with (home / "output.log").open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, env={**inherited, **(env or {})}, stdout=output, stderr=output)
    try:
        await_ready(process, f"http://127.0.0.1:{port}/readyz", home / "output.log")
        yield Running(psutil.Process(process.pid), port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(20)


def await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when `url` answers.

    Raises:
        ServiceError: when the process ends first, or takes too long; its output is shown.
    """
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.02)
    raise ServiceError(f"A service did not start:\n{log.read_text()}")


def require_wrk() -> None:
    """End with a sentence where wrk is missing."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed (apt-get install wrk).")


def posts(work: Path, path: str, bodies: Sequence[Any]) -> Path:
    """A Lua script by which wrk posts the bodies to `path`, one after the other."""
    name = path.strip("/").replace("/", "-")
    file = work / f"{name}-{len(list(work.glob('*.jsonl')))}.jsonl"
    file.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    script = file.with_suffix(".lua")
    script.write_text(SCRIPT % (file, path))
    return script


def load(port: int, lua: Path, seconds: int, connections: int) -> Load:
    """One run of wrk."""
    options = ["-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(lua)]
    output = subprocess.run(
        ["wrk", *options, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True
    ).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    failed = re.findall(r"(?:connect|read|write|timeout) (\d+)", output)
    return Load(
        rate=_number(r"Requests/sec:\s+([\d.]+)", output),
        median=_milliseconds("50%", output),
        p99=_milliseconds("99%", output),
        errors=(int(bad[1]) if bad else 0) + sum(map(int, failed)),
    )


def _number(pattern: str, output: str) -> float:
    """The number that `pattern` captures in wrk's output."""
    found = re.search(pattern, output)
    if found is None:
        raise ServiceError(f"wrk said:\n{output}")
    return float(found[1])


def _milliseconds(share: str, output: str) -> float:
    """A quantile of wrk's latencies."""
    found = re.search(rf"{re.escape(share)}\s+([\d.]+)(us|ms|s)\b", output)
    if found is None:
        raise ServiceError(f"wrk said:\n{output}")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
