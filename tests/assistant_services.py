"""The assistant in front of a language model's server, behind a real HTTP server of its own, for tests."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.faulty_llm import FaultyLLM
from tests.listening import listening, nothing_behind
from vitrina.llm.assistant.service import assistant_service
from vitrina.llm.assistant.settings import AssistantSettings
from vitrina.llm.client import Endpoint
from vitrina.serving.http import HttpService
from vitrina.serving.service import Service
from vitrina.settings import Settings

PREFIX = "/ai/assistant"
CONTENT = re.compile(rb'"content":"(?:[^"\\]|\\.)+"')
TABLE = {
    "product": {
        "title": "Oak table",
        "brand": "Oak & Tide",
        "price": 249.0,
        "currency": "EUR",
        "attributes": {"colour": "brown"},
    },
    "language": "en",
    "sampling": {"max_tokens": 60, "temperature": 0.0},
}
QUESTION = {
    "message": "Where is my order 4711? Write to ana.lopez@correo.example or call 612 34 56 78.",
    "facts": [{"title": "Order", "text": "Order 4711 was handed to the carrier on Monday."}],
    "language": "en",
    "sampling": {"max_tokens": 60, "temperature": 0.0},
}


@dataclass
class Shop:
    """A running assistant: `client` calls it, `home` is its folder."""

    client: httpx.Client
    service: Service
    home: Path

    def ask(self, task: str, body: dict[str, Any], **options: Any) -> httpx.Response:
        """A whole answer."""
        return self.client.post(f"{PREFIX}/{task}", json=body, **options)

    def stream(self, task: str, body: dict[str, Any], **options: Any) -> list[tuple[str, Any]]:
        """The events of a stream."""
        answer = self.ask(task, body | {"stream": True}, **options)
        assert answer.status_code == 200, answer.text
        return events_of(answer.text)

    def records(self) -> list[dict[str, Any]]:
        """The prediction log."""
        self.service.log.flush()
        lines = [line for file in sorted((self.home / "log").glob("*.jsonl")) for line in file.read_text().splitlines()]
        return [json.loads(line) for line in lines]

    def metric(self, start: str) -> float:
        """The sum of all samples whose line begins so."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


@dataclass
class Marking(FaultyLLM):
    """Puts its prompt's marker (`marker-7` in the question), numbered, in place of every piece that the server says.

    `said`: marker → the pieces that were sent.
    """

    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[tuple[int, bytes]]:
        [marker] = set(re.findall(r"marker-\d+", body["messages"][-1]["content"]))
        async for number, event in super()._events(body):
            if CONTENT.search(event):
                self.said[marker].append(f"{marker}/{number}")
                event = CONTENT.sub(b'"content":"%b/%d "' % (marker.encode(), number), event)
            yield number, event


@contextmanager
def assistant(
    home: Path,
    url: str,
    *,
    keys: str = "",
    catalogue: Path | None = None,
    endpoint: dict[str, Any] | None = None,
    **own: Any,
) -> Iterator[Shop]:
    """An assistant on the server at `url`; `own` are its settings, `endpoint` those of its client."""
    settings = AssistantSettings(**own)
    where = Endpoint(url=url, **(settings.limits() | (endpoint or {})))
    everywhere = Settings(home=home, api_keys=keys, catalogue=catalogue)
    service = assistant_service(everywhere, settings, where, home / "log")
    application = HttpService(nothing_behind, build=lambda: service, api_keys=keys)
    with listening(application) as root, httpx.Client(base_url=root, timeout=60) as client:
        yield Shop(client, service, home)


def events_of(text: str) -> list[tuple[str, Any]]:
    """Name and data of each event in the body of a stream."""
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found
