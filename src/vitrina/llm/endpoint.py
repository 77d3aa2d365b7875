"""Where a language model is, and how long it may take."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from vitrina.errors import UsageError
from vitrina.settings import load_settings


class Endpoint(BaseModel):
    """A server and how long it may take; times in seconds.

    Attributes:
        url: of the API, …/v1 (added to a URL without a path).
        model: its name there; none: the first that the server lists.
        first_token_timeout: until a stream's first token, retries included.
        total_timeout: for a whole answer, retries included.
        retries: after the first attempt.
        max_characters: of a prompt; a longer one (some 100,000 tokens) is refused before it is sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    model: str | None = None
    key: SecretStr | None = None
    first_token_timeout: float = Field(default=10.0, gt=0)
    total_timeout: float = Field(default=60.0, gt=0)
    connect_timeout: float = Field(default=3.0, gt=0)
    retries: int = Field(default=2, ge=0)
    max_characters: int = Field(default=400_000, ge=1)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is not the URL of a language model: http://host:port/v1.")
        if parts.username or parts.password:
            raise UsageError("A language model's URL holds no credentials: give the key in VITRINA_LLM_KEY.")
        return url.rstrip("/") if parts.path.strip("/") else url.rstrip("/") + "/v1"

    @classmethod
    def from_settings(cls, **times: float) -> Endpoint:
        """The endpoint of VITRINA_LLM_URL, VITRINA_LLM_MODEL and VITRINA_LLM_KEY."""
        settings = load_settings()
        if settings.llm_url is None:
            raise UsageError("No language model is configured: set VITRINA_LLM_URL to an OpenAI-compatible URL.")
        return cls(url=settings.llm_url, model=settings.llm_model, key=settings.llm_key, **times)
