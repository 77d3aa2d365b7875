"""A server's raw answers over HTTP, as `vitrina llm verify` looks at them: no client in between forgives anything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple

import httpx

from vitrina.llm.endpoint import Endpoint
from vitrina.llm.translation import clean, words
from vitrina.llm.troubleshooting import Seen


class Fault(Exception):
    """Why a check failed, in words."""


class Measured(NamedTuple):
    """A stream: seconds to its first text and to its end, tokens a second between, how it ended."""

    first: float
    seconds: float
    speed: float | None
    finish: str | None


class Probe:
    """Asks one server. `model` and `context` are learnt from it where they are not given."""

    def __init__(self, endpoint: Endpoint, context: int | None = None) -> None:
        self.endpoint = endpoint
        self.model = endpoint.model
        self.context = context
        self.seen = Seen()
        self.answer: dict[str, Any] | None = None
        key = endpoint.key.get_secret_value() if endpoint.key else None
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(endpoint.total_timeout, connect=endpoint.connect_timeout),
            limits=httpx.Limits(max_keepalive_connections=0),  # some servers reset what follows a failure
        )

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def state(self) -> str:
        """`ready`, `absent` (nobody listens), `loading` (503) or another status code."""
        root = self.endpoint.url.removesuffix("/v1")
        try:
            answer = self._client.get(f"{root}/health", timeout=5)
            if answer.status_code == 404:
                answer = self._client.get(f"{self.endpoint.url}/models", timeout=5)
        except httpx.HTTPError:
            return "absent"
        if answer.is_success or answer.status_code in (401, 403):  # what a key opens is there
            return "ready"
        return "loading" if answer.status_code == 503 else str(answer.status_code)

    def listed(self) -> list[str]:
        """Names of the models; the first is the one to ask, unless another was named."""
        answer = self._client.get(f"{self.endpoint.url}/models")
        if answer.status_code in (401, 403):
            raise Fault(f"the server refuses the API key ({answer.status_code})")
        try:
            models = {str(model["id"]): model for model in answer.raise_for_status().json()["data"]}
        except (ValueError, KeyError, TypeError, httpx.HTTPStatusError) as error:
            raise Fault(f"GET {self.endpoint.url}/models gives no list of models ({answer.status_code})") from error
        self.model = self.model or next(iter(models), None)
        stated = models.get(self.model or "", {}).get("max_model_len")
        self.context = self.context or (stated if isinstance(stated, int) else None)
        return list(models)

    def asked(self, text: str, *, key: str | None = None, **options: Any) -> httpx.Response:
        """The answer to one message, whatever it is."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self._client.post(self._chat, json=self._body(text, options), headers=headers)

    def completed(self, text: str, **options: Any) -> dict[str, Any]:
        """A completion, or a Fault."""
        return self.completion(self.asked(text, **options))

    def completion(self, answer: httpx.Response) -> dict[str, Any]:
        """What a successful answer holds, or a Fault."""
        if not answer.is_success:
            raise Fault(f"{answer.status_code}: {self.words(answer)}")
        try:
            body = answer.json()
            _ = body["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Fault("the answer is no chat completion") from error
        return body

    def text(self, completion: dict[str, Any]) -> str:
        """The answer's words."""
        return completion["choices"][0]["message"]["content"] or ""

    def streamed(self, text: str, **options: Any) -> Measured:
        """A stream, timed from before the request is sent."""
        body = self._body(text, options | {"stream": True, "stream_options": {"include_usage": True}})
        started = time.perf_counter()
        arrivals: list[float] = []
        finish, tokens = None, None
        with self._client.stream("POST", self._chat, json=body) as answer:
            if not answer.is_success:
                answer.read()
                raise Fault(f"{answer.status_code}: {self.words(answer)}")
            for chunk in _chunks(answer):
                if time.perf_counter() - started > self.endpoint.total_timeout:
                    raise Fault(f"the stream did not end within {self.endpoint.total_timeout:g} s")
                for choice in chunk.get("choices") or []:
                    finish = choice.get("finish_reason") or finish
                    if (choice.get("delta") or {}).get("content"):
                        arrivals.append(time.perf_counter() - started)
                tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
        if not arrivals:
            raise Fault("the stream holds no text")
        between = arrivals[-1] - arrivals[0]
        speed = (tokens or len(arrivals)) - 1
        return Measured(arrivals[0], arrivals[-1], speed / between if between > 0 and speed >= 7 else None, finish)

    def words(self, answer: httpx.Response) -> str:
        """The reason in an error's body; empty where it has none in JSON."""
        try:
            return clean(words(answer.json()), self.endpoint)
        except ValueError:
            return ""

    @property
    def _chat(self) -> str:
        return f"{self.endpoint.url}/chat/completions"

    def _body(self, text: str, options: dict[str, Any]) -> dict[str, Any]:
        if self.model is None:
            raise Fault("no model is known: name one with --model")
        return {"model": self.model, "messages": [{"role": "user", "content": text}]} | options


def _chunks(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise Fault("the stream holds something that is not JSON") from error
        if not isinstance(chunk, dict) or "error" in chunk:
            raise Fault(f"the stream ends in an error: {words(chunk) or 'without a reason'}")
        yield chunk
