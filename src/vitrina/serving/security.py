"""Optional API keys: with `VITRINA_API_KEYS` empty a service is open."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]


class ApiKeys:
    """Checks `X-API-Key: KEY` or `Authorization: Bearer KEY` in constant time per key."""

    def __init__(self, comma_separated: str) -> None:
        self._keys = [key.strip().encode() for key in comma_separated.split(",") if key.strip()]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def allow(self, headers: Headers) -> bool:
        """Whether a request with these (lower-case) header names may pass."""
        if not self._keys:
            return True
        given = _given(headers)
        # Every key is compared, so that the time does not tell which one matched.
        return sum(hmac.compare_digest(given, key) for key in self._keys) > 0

    def caller(self, headers: Headers) -> str:
        """A name of the caller's key that tells nothing of the key: what it did is counted under it; empty: no key.

        Keys are to be long and random: of a short one even a digest says too much.
        """
        return hashlib.sha256(b"vitrina caller " + _given(headers)).hexdigest()[:12] if self._keys else ""


def _given(headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"x-api-key":
            return value.strip()
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
    return b""
