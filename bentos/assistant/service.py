"""BentoML service of the assistant: `bentoml serve` starts it, `vitrina.serving` answers.

It serves no model of its own: `VITRINA_LLM_URL` names an OpenAI-compatible server (vLLM), and `VITRINA_ASSISTANT_…`,
`VITRINA_DESCRIBER_URL` and `VITRINA_RECOMMENDER_URL` say what it may use; see README.md.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.llm.assistant.masking import mask_logs
from vitrina.llm.assistant.service import assistant_service, secrets
from vitrina.llm.assistant.settings import AssistantSettings
from vitrina.llm.client import Endpoint
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.service import Service
from vitrina.settings import load_settings

NAME = "assistant"
BENTO = Bento(NAME, Path(__file__).parent)
SPARE_SECONDS = 30
"""What a request may take beyond its wait and the model's time: the describer, the accounts."""

image = BENTO.equipped(bentoml.images.Image(**IMAGE))


def build() -> Service:
    """The service of this worker."""
    settings, own = load_settings(), AssistantSettings()
    endpoint = Endpoint.from_settings(**own.limits())
    mask_logs(secrets(settings, own, endpoint))
    return assistant_service(settings, own, endpoint, settings.predictions or settings.home / "predictions" / NAME)


def timeout() -> int:
    """Seconds until BentoML gives a request up, which the assistant itself does before."""
    own = AssistantSettings()
    return int(own.wait_seconds + own.seconds) + SPARE_SECONDS


@bentoml.service(image=image, **BENTO.options(timeout()))
class Assistant:
    """A shop's texts by a language model: checked, metered, and with a stand-in when it is away."""


Assistant.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
