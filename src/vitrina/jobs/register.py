"""Register a model folder as a new version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vitrina.jobs.result import JobResult


class RegisterResult(JobResult):
    """The new version and the MLflow run that documents it."""

    name: str
    version: str
    uri: str
    run_id: str


def register(model: Path, evaluation: Path, *, lineage: Mapping[str, str] | None = None) -> RegisterResult:
    """Register the model folder `model` with what `evaluate` wrote about it.

    Args:
        model: a model folder; its manifest is verified first.
        evaluation: the output folder of `evaluate`.
        lineage: where it comes from, e.g. `pipeline`, `pipeline_run`, `data`; kept as tags `vitrina.<name>`.
    """
    from vitrina.registry.models import register_model

    found = register_model(Path(model), Path(evaluation), lineage)
    return RegisterResult(name=found.name, version=found.version, uri=found.uri, run_id=found.run_id)
