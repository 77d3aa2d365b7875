"""What every bento sets up alike, as plain values: this package does not import BentoML.

BentoML's own access log, metrics and tracing are off: `vitrina.serving` does the same work for less.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vitrina.settings import Settings

IMAGE = {"python_version": "3.11", "lock_python_packages": False}
"""Of a bento's container; the packed list of requirements is locked already."""

MOST_CORES = 4
"""A container is often allowed fewer cores than the machine has."""


class Bento:
    """A bento's source folder: its name, what is packed in it, and what its processes may use.

    Attributes:
        workers: processes, `VITRINA_WORKERS`.
        cores: what each of them may use.
        packed: the pointer to the model packed inside; absent in the source checkout.
        requirements: locked distributions of a packed bento; none in the source checkout.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.workers = int(os.environ.get("VITRINA_WORKERS") or 1)
        self.cores = max(1, min(MOST_CORES, os.cpu_count() or 1) // self.workers)
        self.packed = folder / "model.json"
        listed = folder / "requirements.txt"
        self.requirements = listed.read_text().split() if listed.is_file() else []

    def equipped(self, image: Any) -> Any:
        """BentoML's image, with the packed requirements where there are any."""
        return image.python_packages(*self.requirements) if self.requirements else image

    def options(self, timeout: int = 10) -> dict[str, Any]:
        """Arguments of `bentoml.service`.

        Args:
            timeout: seconds a request may take; BentoML keeps a timer per request until then, so longer means more
                memory.
        """
        return {
            "name": self.name,
            "workers": self.workers,
            "traffic": {"timeout": timeout},
            # The batcher runs the threads; those of BLAS would spin beside.
            "envs": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            "logging": {"access": {"enabled": False}},
            "metrics": {"enabled": False},
            "tracing": {"excluded_urls": ".*"},
        }

    def arguments(self, settings: Settings) -> dict[str, Any]:
        """Arguments of `ModelService`: what is served, where its log goes, what it may use."""
        return {
            "source": settings.model or self.packed,
            "predictions": settings.predictions or settings.home / "predictions" / self.name,
            "name": self.name,
            "cores": self.cores,
        }
