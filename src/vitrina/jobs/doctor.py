"""Job: is this machine ready?"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from vitrina.jobs.result import JobResult

LIBRARIES = (
    "torch",
    "transformers",
    "onnxruntime",
    "mlflow",
    "bentoml",
    "kfp",
    "evidently",
    "great-expectations",
    "dvc",
)


class DoctorResult(JobResult):
    """One mapping per check: `name`, `ok`, `found`."""

    checks: list[dict[str, Any]]


def doctor() -> DoctorResult:
    """Look at libraries, devices, the default text encoder, the registry, local services and the data folder."""
    probes: dict[str, Callable[[], str]] = {
        "libraries": _libraries,
        "device": _device,
        "text encoder": _encoder,
        "registry": _registry,
        "services": _services,
        "families": _families,
        "published data": _data,
    }
    return DoctorResult(checks=[_check(name, probe) for name, probe in probes.items()])


def _check(name: str, probe: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "found": probe()}
    except Exception as error:  # a check reports whatever is wrong, and the next one goes on
        return {"name": name, "ok": False, "found": f"{error}" or type(error).__name__}


def _libraries() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} ({torch.cuda.device_count()})"
    return f"CPU, {len(os.sched_getaffinity(0))} cores"


def _encoder() -> str:
    from vitrina.text.encoders import DEFAULT_ENCODER, resolve_encoder

    return f"{DEFAULT_ENCODER} at {resolve_encoder(DEFAULT_ENCODER)}"


def _registry() -> str:
    from vitrina.registry.tracking import tracking_uri

    return tracking_uri()


def _services() -> str:
    from vitrina.registry.server import running

    return ", ".join(f"{name} at {service.url}" for name, service in running().items()) or "none running"


def _families() -> str:
    from vitrina.families import catalog

    return ", ".join(catalog.get(name).name for name in catalog.names())


def _data() -> str:
    from vitrina.settings import load_settings

    folder = load_settings().data
    if folder is None:
        return "VITRINA_DATA is not set; the sample store serves"
    if not folder.is_dir():
        raise FileNotFoundError(f"VITRINA_DATA names {folder}, which is not a folder")
    return f"{folder}, {sum(1 for entry in folder.iterdir() if entry.is_dir())} sets"
