"""What the assistant may use and how long; the language model's own address is `llm.client.Endpoint`'s."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AssistantSettings(BaseSettings):
    """Set by ``VITRINA_ASSISTANT_<NAME>`` unless another variable is named; an empty value means the default."""

    model_config = SettingsConfigDict(
        env_prefix="VITRINA_ASSISTANT_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    running: int = Field(64, ge=1, description="Generations at once, in each worker process.")
    waiting: int = Field(64, ge=0, description="Requests that may wait for one of those to end; more are answered 429.")
    wait_seconds: float = Field(10.0, gt=0, description="How long a request waits for its turn; then 503.")
    seconds: float = Field(60.0, gt=0, description="What an answer of the model may take, with all attempts.")
    first_token_seconds: float = Field(10.0, gt=0, description="How long a stream's first token may take.")
    attempts: int = Field(3, ge=1, le=5, description="How often an answer that is not valid is asked for.")
    context: int = Field(4096, ge=64, description="Tokens of the model's context: prompt and answer together.")
    tokenizer: Path | None = Field(None, description="The model's tokenizer.json, to count tokens; default: estimated.")
    examples: int = Field(2, ge=0, le=8, description="The catalogue's descriptions shown to the model; 0: none.")
    tokens_per_minute: int = Field(0, ge=0, description="What an API key may use in a minute; 0: as much as it wants.")
    tokens_per_day: int = Field(0, ge=0, description="What an API key may use in a day (UTC); 0: as much as it wants.")
    candidate_share: float = Field(0.1, ge=0, le=1, description="Users who get @candidate's prompts, if there are.")
    prompts_seconds: float = Field(30.0, gt=0, description="How often the registry is asked for prompts.")
    describer_url: str | None = Field(
        None, validation_alias="VITRINA_DESCRIBER_URL", description="VITRINA_DESCRIBER_URL: a served product_describer."
    )
    recommender_url: str | None = Field(
        None, validation_alias="VITRINA_RECOMMENDER_URL", description="VITRINA_RECOMMENDER_URL: a served recommender."
    )
    service_key: SecretStr | None = Field(
        None, validation_alias="VITRINA_SERVICE_KEY", description="VITRINA_SERVICE_KEY: the API key of both."
    )
    service_seconds: float = Field(5.0, gt=0, description="What either of both may take to answer.")

    def limits(self) -> dict[str, float]:
        """The times of the language model's client."""
        return {"total_timeout": self.seconds, "first_token_timeout": self.first_token_seconds}
