"""What a language model's server may do to a caller. No sentence holds a key; of the server's words it repeats few."""

from __future__ import annotations

from typing import Literal

from vitrina.errors import ServiceError

Reason = Literal["key", "model", "context", "request"]


class LLMError(ServiceError):
    """Base: the language model gave no answer."""


class LLMUnavailable(LLMError):
    """No connection, no first token in time, a server error, or an open circuit; worth another try later.

    Attributes:
        retry_after: seconds after which to try again, where the server or the circuit breaker says so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LLMBusy(LLMError):
    """The server has too much to do (429).

    Attributes:
        retry_after: seconds, where the server says so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LLMRefused(LLMError):
    """The server will not answer this request, however often it is asked.

    Attributes:
        reason: its key, its model's name, its length (context), or anything else in the request.
    """

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    @property
    def too_long(self) -> bool:
        """Whether a shorter prompt would be answered."""
        return self.reason == "context"


class LLMInterrupted(LLMError):
    """The answer broke off, or took longer than it may.

    Attributes:
        text: what had come until then.
    """

    def __init__(self, message: str, *, text: str) -> None:
        super().__init__(message)
        self.text = text
