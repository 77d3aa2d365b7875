"""BentoML service of the product imager: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside. Long
drawings are background jobs in `jobs` under VITRINA_HOME, which all workers must share.
"""

from __future__ import annotations

from pathlib import Path

import bentoml

from vitrina.families.product_imager import serving
from vitrina.serving.bento import IMAGE, Bento
from vitrina.serving.http import HttpService
from vitrina.serving.service import ModelService
from vitrina.serving.tasks.images import ImageJobs, work
from vitrina.serving.tasks.runner import JobRunner
from vitrina.serving.tasks.store import JobStore
from vitrina.serving.telemetry import Telemetry
from vitrina.settings import load_settings

NAME = "product_imager"
JOB_SECONDS = 24 * 3600
"""How long a finished job and its pictures are kept."""

MOST_JOBS = 100
LEASE = 120.0
"""Seconds a step of a drawing may take before another worker takes the picture over."""

LONGEST = 90
"""Seconds a request may take: the longest drawing a caller may wait for takes a minute."""

BENTO = Bento(NAME, Path(__file__).parent)
image = BENTO.equipped(bentoml.images.Image(**IMAGE))


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    telemetry = Telemetry()
    store = JobStore(settings.home / "jobs" / f"{NAME}.sqlite", kept=JOB_SECONDS, most=MOST_JOBS, lease=LEASE)
    runner = JobRunner(store, work, lambda: service.runtime.current, threads=BENTO.cores, counted=telemetry.rows)
    service = ModelService(
        serving.load,
        (),
        ImageJobs(NAME, store, runner).endpoints(),
        parts=[runner],
        telemetry=telemetry,
        **BENTO.arguments(settings),
    )
    return service


@bentoml.service(image=image, **BENTO.options(timeout=LONGEST))
class ProductImager:
    """Words, category and style → pictures that say they are generated."""


ProductImager.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
