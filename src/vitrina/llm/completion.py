"""A language model's answer: whole, and while it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from openai import AsyncStream
    from openai.types.chat import ChatCompletion, ChatCompletionChunk


class Usage(NamedTuple):
    """Tokens of a request; both 0 where the server does not say."""

    prompt_tokens: int
    completion_tokens: int


class Completion(NamedTuple):
    """A whole answer; `finish_reason` is "stop", or "length" where max_tokens cut it."""

    text: str
    finish_reason: str
    usage: Usage
    model: str


def completion(answer: ChatCompletion) -> Completion:
    """A whole answer of OpenAI's client.

    Raises:
        ValueError: when it is none.
    """
    choices = getattr(answer, "choices", None)
    if not choices:
        raise ValueError("no completion")
    used = Usage(answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else Usage(0, 0)
    return Completion(choices[0].message.content or "", choices[0].finish_reason or "stop", used, answer.model)


class Arriving:
    """A stream that is being read."""

    def __init__(self, chunks: AsyncStream[ChatCompletionChunk]) -> None:
        self._chunks = chunks
        self._pieces: list[str] = []
        self._finish: str | None = None
        self._usage = Usage(0, 0)
        self._model = ""

    @property
    def text(self) -> str:
        """What has come until now."""
        return "".join(self._pieces)

    async def more(self) -> str | None:
        """The next chunk's text, which may be empty; none at the end.

        Raises:
            EOFError: when the stream ends before the model did.
            ValueError: when what comes is no answer.
        """
        chunk = await anext(self._chunks, None)
        if chunk is None:
            if self._finish is None:
                raise EOFError("the stream ended too early")
            return None
        if not hasattr(chunk, "choices"):
            raise ValueError("no chunk of a completion")
        self._model = chunk.model or self._model
        if chunk.usage:
            self._usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        piece = ""
        for choice in chunk.choices:
            self._finish = choice.finish_reason or self._finish
            piece += choice.delta.content or ""
        self._pieces.append(piece)
        return piece

    def whole(self) -> Completion:
        """The answer, at its end."""
        return Completion(self.text, self._finish or "stop", self._usage, self._model)

    async def close(self) -> None:
        """Close the connection; the server stops to generate."""
        await self._chunks.close()
