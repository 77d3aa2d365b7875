"""Measure a candidate on the held-out rows."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components._base import component


@component
def evaluate(model: Input[Model], data: Input[Dataset], evaluation: Output[Artifact], metrics: Output[Metrics]) -> None:
    """`evaluation` is the folder of metrics, slices and rows; `metrics` is what the KFP page shows."""
    import math
    from pathlib import Path

    from vitrina.jobs import evaluate as job

    result = job(model.path, Path(data.path), Path(evaluation.path))
    for name, value in result.metrics.items():
        if math.isfinite(value):  # KFP refuses NaN
            metrics.log_metric(name, float(value))
