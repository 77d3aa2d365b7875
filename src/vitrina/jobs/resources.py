"""Job: what a preset asks of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitrina.jobs.result import JobResult
from vitrina.training.preset import Resources


class ResourcesResult(JobResult):
    """The `resources:` section of a preset."""

    family: str
    preset: str
    resources: Resources


def resources(family: str = "", preset: str = "base", *, overrides: Mapping[str, Any] | None = None) -> ResourcesResult:
    """What training `family` with `preset` asks of a cluster; without a family, the defaults.

    Raises:
        UsageError: for an unknown family or preset, or an unknown key in the preset.
    """
    from vitrina.families import catalog
    from vitrina.training.preset import load_preset

    asked = load_preset(catalog.get(family), preset, overrides).resources if family else Resources.model_validate({})
    return ResourcesResult(family=family, preset=preset, resources=asked)
