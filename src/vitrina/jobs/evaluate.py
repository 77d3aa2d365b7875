"""A model and labelled rows → metrics, slices and behavioural checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vitrina.jobs.result import JobResult


class EvaluateResult(JobResult):
    """What was measured; `output` holds `metrics.json` and the score of every row."""

    family: str
    metrics: dict[str, float]
    slices: list[dict[str, Any]]
    behaviour: list[dict[str, Any]]
    output: str


def evaluate(
    model: str,
    data: Path,
    output: Path,
    *,
    split: str = "test",
    family: str | None = None,
    weights: str | None = None,
) -> EvaluateResult:
    """Evaluate the exported model, the one that would be served.

    Args:
        model: a model folder, or `models:/<name>@champion`, `models:/<name>/<version>`.
        data: a prepared folder (its `split` is used), or one file in the format of the family's data.
        weights: the ONNX file to run; default the quantized one.

    Raises:
        UsageError: unknown reference, file or split, or a model of another family than `family`.
        ArtifactError: when the model folder is damaged.
    """
    from vitrina.artifacts import read_manifest, staged_folder
    from vitrina.errors import UsageError
    from vitrina.families import catalog
    from vitrina.registry.models import resolve

    folder = resolve(model)
    found = str(read_manifest(folder).get("family"))
    if family is not None and family != found:
        raise UsageError(f"{model} is a model of {found}, not of {family}.")
    spec = catalog.get(found)
    examples = spec.data.read_examples(Path(data), split)
    evaluation = spec.metrics.evaluate(spec.serving.load(folder, weights), examples)
    with staged_folder(Path(output)) as staged:
        evaluation.write(staged)
    return EvaluateResult(
        family=found,
        metrics=evaluation.metrics,
        slices=evaluation.slices,
        behaviour=evaluation.behaviour,
        output=str(output),
    )
