"""A real OpenAI-compatible server for tests: `transformers serve` with the tiny Granite of `vitrina.llm.rehearsal`.

The model stays in pytest's cache until what makes it changes; whoever comes first builds it. There is one server a
session, under pytest-xdist one a worker. It runs one generation at a time, in the order in which they came; it has no
keys, limits no context, ignores `response_format`, refuses another model's name with 400, and ends a stream without
[DONE].
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
from filelock import FileLock
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[1]
MODEL = "vitrina/tiny-granite"
START_SECONDS = 120.0


def recipe() -> str:
    """Names what makes the tiny Granite: its code, the shop it learns from, the libraries."""
    source = ROOT / "src" / "vitrina"
    files = [source / "llm" / "rehearsal.py", *sorted((source / "data" / "sample_store").rglob("catalogue*"))]
    made = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.suffix in (".py", ".yaml")))
    made.update("".join(version(name) for name in ("torch", "transformers", "tokenizers")).encode())
    return made.hexdigest()[:12]


def tiny_granite_folder(shared: Path) -> Path:
    """The tiny Granite in `shared`, built by whoever comes first. Do not change it."""
    from vitrina.llm.rehearsal import build

    folder = shared / "tiny_granite"
    shared.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder) + ".lock"):
        if not folder.is_dir():
            build(folder)
    return folder


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LLMServer:
    """One process; `url` ends in /v1 as OpenAI's clients want it, `model` is the name to ask for."""

    def __init__(self, model: Path, state: Path, *options: str) -> None:
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/v1"
        self.model = MODEL
        self.folder = model
        self._hub = _hub(model, state)
        self._log = state / "server.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process and return at once."""
        command = [sys.executable, "-m", "transformers.cli.transformers", "serve", MODEL, *self._options]
        command += ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(self.port)]
        offline = {"HF_HUB_CACHE": str(self._hub), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        with self._log.open("ab") as log:
            environment = os.environ | offline | {"OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def start(self) -> LLMServer:
        """Start it, and return when it answers."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            assert self._process is not None
            assert self._process.poll() is None, f"transformers serve ended:\n{self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, "transformers serve does not answer"
            time.sleep(0.2)
        return self

    def tokens(self, text: str) -> int:
        """How many tokens the model makes of a text."""
        return len(Tokenizer.from_file(str(self.folder / "tokenizer.json")).encode(text).ids)

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.root}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _hub(model: Path, state: Path) -> Path:
    """A hub cache that holds only this model, by its name: what /v1/models lists, and no machine's path in it."""
    repository = state / "hub" / f"models--{MODEL.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("tiny")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "tiny").symlink_to(model.resolve(), target_is_directory=True)
    return state / "hub"
