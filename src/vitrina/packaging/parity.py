"""Proof that a model says the same in torch, ONNX and int8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.artifacts import write_json
from vitrina.errors import ArtifactError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from vitrina.training.spec import ExportInputs, FamilySpec

PARITY = "parity.json"
ROWS = 500
TOLERANCE = 1e-3
"""Largest difference between torch and fp32 ONNX that rounding explains."""


def compare(spec: FamilySpec, inputs: ExportInputs, folder: Path, data: Path, fp32: str, int8: str) -> dict[str, Any]:
    """Write and return `parity.json`: torch against ONNX on the traced inputs, fp32 against int8 on validation rows.

    `torch_onnx_max_difference` is of the graph's first output; `<metric>_loss` is what int8
    costs in the family's primary metric: 0.003 of an accuracy is 0.3 points.

    Raises:
        ArtifactError: when ONNX departs from torch by more than `TOLERANCE`.
    """
    report: dict[str, Any] = {"torch_onnx_max_difference": _torch_difference(inputs, folder / fp32)}
    if report["torch_onnx_max_difference"] > TOLERANCE:
        raise ArtifactError(
            f"The ONNX export of {folder} differs from torch by {report['torch_onnx_max_difference']:.2g}; "
            f"at most {TOLERANCE} is allowed."
        )
    report |= _quantization_loss(spec, folder, data, fp32, int8)
    write_json(folder / PARITY, report)
    return report


def _torch_difference(inputs: ExportInputs, path: Path) -> float:
    import torch

    with torch.inference_mode():
        expected = inputs.model(*inputs.inputs.values())[0].numpy()
    feed = {name: tensor.numpy() for name, tensor in inputs.inputs.items()}
    return _largest(expected - _first_output(path, feed))


def _first_output(path: Path, feed: dict[str, np.ndarray]) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run([session.get_outputs()[0].name], feed)[0]


def _quantization_loss(spec: FamilySpec, folder: Path, data: Path, fp32: str, int8: str) -> dict[str, Any]:
    """fp32 against int8 through the family's own serving and metrics."""
    examples = spec.data.read_examples(data, "validation").head(ROWS).reset_index(drop=True)
    full, small = (spec.serving.load(folder, weights=name) for name in (fp32, int8))
    scores = [spec.metrics.evaluate(each, examples).metrics[spec.primary_metric] for each in (full, small)]
    return {
        "rows": len(examples),
        "metric": spec.primary_metric,
        "fp32": scores[0],
        "int8": scores[1],
        f"{spec.primary_metric}_loss": scores[0] - scores[1],
        **_prediction_differences(spec, full.predict_frame(examples), small.predict_frame(examples)),
        **_output_difference(full, small, examples),
    }


def _prediction_differences(spec: FamilySpec, full: pd.DataFrame, small: pd.DataFrame) -> dict[str, float]:
    """Agreement of the categorical and largest difference of the numerical columns that are monitored."""
    agreement = {f"{name}_agreement": float((full[name] == small[name]).mean()) for name in spec.monitored.categorical}
    numbers = {
        f"{name}_max_difference": _largest(full[name].to_numpy(float) - small[name].to_numpy(float))
        for name in spec.monitored.numerical
    }
    return agreement | numbers


def _output_difference(full: Any, small: Any, examples: pd.DataFrame) -> dict[str, float]:
    """Of the graph's first output, where the family's predictor shows it (`outputs(examples)`)."""
    if not hasattr(full, "outputs"):
        return {}
    return {"fp32_int8_max_difference": _largest(full.outputs(examples) - small.outputs(examples))}


def _largest(difference: np.ndarray) -> float:
    """Of the rows that have a value: an input such as the price may be missing."""
    known = difference[difference == difference]
    return float(abs(known).max()) if known.size else 0.0
