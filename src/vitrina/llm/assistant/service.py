"""The assistant as a service: made from the environment, started and closed with its process."""

from __future__ import annotations

from pathlib import Path

from vitrina import __version__
from vitrina.llm.assistant.assistant import Assistant
from vitrina.llm.assistant.budget import Accounts
from vitrina.llm.assistant.job import Desk
from vitrina.llm.assistant.metrics import AssistantTelemetry
from vitrina.llm.assistant.peers import Describer, RecommenderClient
from vitrina.llm.assistant.prompt_book import PromptBook
from vitrina.llm.assistant.results import ASSISTANT
from vitrina.llm.assistant.routes import endpoints
from vitrina.llm.assistant.settings import AssistantSettings
from vitrina.llm.assistant.shop import Shop
from vitrina.llm.assistant.tokens import Counter
from vitrina.llm.client import Chat, Endpoint
from vitrina.llm.prompts.registry import in_use
from vitrina.serving.service import Service
from vitrina.settings import Settings


def assistant_service(settings: Settings, own: AssistantSettings, endpoint: Endpoint, predictions: Path) -> Service:
    """The service of one worker; `predictions` is the log's folder.

    Raises:
        UsageError: a tokenizer that cannot be read.
    """
    telemetry = AssistantTelemetry()
    book = PromptBook(in_use, share=own.candidate_share, seconds=own.prompts_seconds)
    shop, count = Shop(settings.catalogue), Counter(own.tokenizer)
    accounts = Accounts(
        settings.home / "assistant" / "tokens.sqlite", per_minute=own.tokens_per_minute, per_day=own.tokens_per_day
    )
    key = own.service_key.get_secret_value() if own.service_key else None
    assistant = Assistant(
        Chat(endpoint),
        own,
        desk=Desk(book, shop, count, own.context, own.examples),
        count=count,
        accounts=accounts,
        telemetry=telemetry,
        describer=Describer(own.describer_url, key, own.service_seconds) if own.describer_url else None,
        recommender=RecommenderClient(own.recommender_url, key, own.service_seconds) if own.recommender_url else None,
    )
    return Service(
        endpoints(assistant, accounts, own),
        predictions=predictions,
        name=ASSISTANT,
        version=__version__,
        parts=[accounts, book, shop],
        telemetry=telemetry,
    )


def secrets(settings: Settings, own: AssistantSettings, endpoint: Endpoint) -> list[str]:
    """What no log may hold, whatever its form."""
    held = [each.get_secret_value() for each in (endpoint.key, own.service_key) if each is not None]
    return [*held, *(key.strip() for key in settings.api_keys.split(","))]
