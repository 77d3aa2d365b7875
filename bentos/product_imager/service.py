"""BentoML service of the product imager: `bentoml serve` starts it, `vitrina.serving` answers.

`VITRINA_MODEL` names a model folder or a pointer file; without it the bento serves the model packed inside. Long
drawings are background jobs in `jobs` under VITRINA_HOME, which all workers must share.
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml

from vitrina.families.product_imager import serving
from vitrina.serving.http import HttpService
from vitrina.serving.service import ModelService
from vitrina.serving.tasks.images import ImageJobs, work
from vitrina.serving.tasks.runner import JobRunner
from vitrina.serving.tasks.store import JobStore
from vitrina.serving.telemetry import Telemetry
from vitrina.settings import load_settings

NAME = "product_imager"
WORKERS = int(os.environ.get("VITRINA_WORKERS") or 1)
CORES = min(4, os.cpu_count() or 1)  # a container is often allowed fewer than the machine has
PACKED = Path(__file__).parent / "model.json"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
JOB_SECONDS = 24 * 3600
"""How long a finished job and its pictures are kept."""

MOST_JOBS = 100
LEASE = 120.0
"""Seconds a step of a drawing may take before another worker takes the picture over."""

image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)  # the packed list is locked already
if REQUIREMENTS.is_file():
    image = image.python_packages(*REQUIREMENTS.read_text().split())


def build() -> ModelService:
    """The service of this worker."""
    settings = load_settings()
    telemetry = Telemetry()
    cores = max(1, CORES // WORKERS)
    store = JobStore(settings.home / "jobs" / f"{NAME}.sqlite", kept=JOB_SECONDS, most=MOST_JOBS, lease=LEASE)
    runner = JobRunner(store, work, lambda: service.runtime.current, threads=cores, counted=telemetry.rows)
    service = ModelService(
        serving.load,
        (),
        ImageJobs(NAME, store, runner).endpoints(),
        source=settings.model or PACKED,
        predictions=settings.predictions or settings.home / "predictions" / NAME,
        name=NAME,
        cores=cores,
        parts=[runner],
        telemetry=telemetry,
    )
    return service


@bentoml.service(
    name=NAME,
    workers=WORKERS,
    traffic={"timeout": 90},  # the longest drawing a caller may wait for takes a minute
    image=image,
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # requests run beside each other; BLAS would spin beside
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class ProductImager:
    """Words, category and style → pictures that say they are generated."""


ProductImager.add_asgi_middleware(HttpService, build=build, api_keys=load_settings().api_keys)
