from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pandas as pd
import pytest
from onnx import numpy_helper

from vitrina.artifacts import read_json
from vitrina.errors import ArtifactError
from vitrina.families import catalog
from vitrina.packaging.onnx import FP32, INT8, export_model
from vitrina.packaging.parity import compare


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A prepared folder with 40 validation rows."""
    spec = catalog.get("intent_classifier")
    frame = pd.DataFrame({"text": [f"where is my order number {n} please" for n in range(40)]})
    frame["row_id"] = [str(n) for n in range(40)]
    frame["intent"] = "intent_number_001"
    folder = tmp_path / "data"
    folder.mkdir()
    frame.to_parquet(folder / "validation.parquet", index=False)
    assert len(spec.data.read_examples(folder, "validation")) == 40
    return folder


@pytest.fixture
def model(student_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(student_folder, tmp_path / "model"))


def test_the_report_compares_torch_fp32_and_int8(model: Path, data: Path) -> None:
    (model / FP32).unlink()
    (model / INT8).unlink()
    report = export_model(catalog.get("intent_classifier"), model, data)
    assert read_json(model / "parity.json") == report
    assert report["rows"] == 40
    assert report["torch_onnx_max_difference"] < 1e-4
    assert 0 < report["fp32_int8_max_difference"] < 0.5
    assert 0 < report["confidence_max_difference"] < 0.01
    assert 0 <= report["label_agreement"] <= 1
    assert report["accuracy_loss"] == pytest.approx(report["fp32"] - report["int8"])


def test_an_export_that_departs_from_torch_is_refused(model: Path, data: Path) -> None:
    proto = onnx.load(model / FP32)
    weights = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.5, weights.name))
    onnx.save(proto, model / FP32)
    spec = catalog.get("intent_classifier")
    with pytest.raises(ArtifactError, match="differs from torch"):
        compare(spec, spec.modeling.export_inputs(model), model, data, FP32, INT8)
    assert not (model / "parity.json").exists()
