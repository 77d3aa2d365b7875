"""Customers for the demo: messages sent to the service, and the true labels that arrive later."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.errors import ServiceError

if TYPE_CHECKING:
    import pandas as pd

CONNECTIONS = 4


@dataclass(frozen=True)
class Answers:
    """What the service said to a stream of messages, and how often it was right.

    Attributes:
        rows: one mapping per message: `request_id`, `text`, `intent` (true), `label`, `confidence`, `version`.
        accuracy: share answered rightly; a message nobody handles is right when it is flagged out of scope.
    """

    rows: list[dict[str, Any]]
    accuracy: float


def send(url: str, messages: pd.DataFrame) -> Answers:
    """POST every message to `/classify` over a few connections; messages have `text` and `intent`.

    Raises:
        ServiceError: when the service refuses one or does not answer.
    """
    rows = list(zip(messages["text"], messages["intent"], strict=True))
    shares = [rows[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answered = [row for share in pool.map(lambda share: _send_share(url, share), shares) for row in share]
    right = sum(row["right"] for row in answered)
    return Answers(answered, right / len(answered) if answered else float("nan"))


def _send_share(url: str, rows: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    answers = []
    with Connection(url) as ask:
        for text, intent in rows:
            answer = ask("POST", "/classify", {"text": text})
            flagged = answer["out_of_scope"]
            right = flagged if intent == OUT_OF_SCOPE else not flagged and answer["label"] == intent
            kept = {name: answer[name] for name in ("request_id", "label", "confidence", "version", "out_of_scope")}
            answers.append({**kept, "text": text, "intent": intent, "right": right})
    return answers


class Connection:
    """One kept-alive HTTP connection; it asks (method, path, JSON body or None) and returns the JSON answer."""

    def __init__(self, url: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def __enter__(self) -> Callable[..., dict[str, Any]]:
        return self._ask

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body)
        try:
            self._http.request(method, path, sent, {"Content-Type": "application/json"})
            response = self._http.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(f"The service did not answer {path}: {error}.") from error
        if response.status >= 300:
            raise ServiceError(f"The service answered {response.status} to {path}: {content.decode(errors='replace')}")
        return json.loads(content)


def give_feedback(url: str, answers: Answers) -> int:
    """POST the true intent of every answered message to `/feedback`; returns how many."""
    with Connection(url) as ask:
        for row in answers.rows:
            ask("POST", "/feedback", {"request_id": row["request_id"], "label": row["intent"]})
    return len(answers.rows)
