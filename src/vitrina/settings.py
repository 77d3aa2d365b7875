"""Settings that come from the environment (prefix ``VITRINA_``); read when asked for, never at import."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

TELEMETRY_OFF = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "true",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


class Settings(BaseSettings):
    """Where things are. Every field is set by ``VITRINA_<NAME>``; an empty value means the default."""

    model_config = SettingsConfigDict(env_prefix="VITRINA_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(Path(".vitrina"), description="Local state: registry, services, logs, demo output.")
    data: Path | None = Field(None, description="Folder that holds the published data sets.")
    tracking_uri: str | None = Field(None, description="MLflow server or store; default: the local server's.")
    backend_store_uri: str | None = Field(None, description="MLflow's database; default: sqlite under home.")
    mlflow_port: int = Field(5000, ge=1, le=65535)
    serve_port: int = Field(3000, ge=1, le=65535)
    api_keys: str = Field("", description="Comma-separated keys; empty: the service is open.")
    model: Path | None = Field(None, description="What a service serves: a model folder or a pointer file.")
    predictions: Path | None = Field(None, description="Folder of a service's prediction log; default: under home.")
    index: str | None = Field(None, description="What a search service searches: an index folder or database.")
    catalogue: Path | None = Field(None, description="What the shop sells now, for recommenders: a canonical Parquet.")
    redis_url: str | None = Field(None, description="Cache that services share, and queue: redis://host:6379/0.")
    cache_mb: int = Field(64, ge=0, description="Memory of each worker's cache of embeddings; 0: none.")
    guidellm: str | None = Field(None, description="A guidellm command; default: one in an environment of its own.")
    llm_url: str | None = Field(None, description="Where the language model is: an OpenAI-compatible URL, …/v1.")
    llm_model: str | None = Field(None, description="Its name there; default: the first that the server lists.")
    llm_key: SecretStr | None = Field(None, description="Its API key, where it wants one.")
    threads: int = Field(0, ge=0, description="Threads for torch and ONNX Runtime; 0: chosen by what is running.")


def load_settings() -> Settings:
    """The settings as the environment states them now."""
    return Settings()


def disable_telemetry() -> None:
    """Turn telemetry off for every library, here and in child processes; what the user set stays."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)
