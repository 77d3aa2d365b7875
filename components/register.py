"""Put a candidate into the model registry."""

from kfp.dsl import Artifact, Input, Model

from components._base import component


@component
def register(model: Input[Model], evaluation: Input[Artifact], pipeline: str, run: str, run_id: str) -> str:
    """Answers the version; `pipeline`, `run` and `run_id` become its lineage."""
    from pathlib import Path

    from vitrina.jobs import register as job

    lineage = {"pipeline": pipeline, "pipeline_run": run, "pipeline_run_id": run_id}
    return job(Path(model.path), Path(evaluation.path), lineage=lineage).version
