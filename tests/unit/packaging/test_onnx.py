from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from vitrina.packaging.onnx import to_onnx
from vitrina.packaging.quantize import quantize
from vitrina.training.spec import ExportInputs


class Scorer(nn.Module):
    """Two inputs of different ranks; an inner value is called as an output is."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 64)
        self.head = nn.Linear(65, 10)

    def forward(self, ids: torch.Tensor, price: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.embedding(ids).mean(1)
        return self.head(torch.cat([mean, price], 1)), mean


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportInputs, Path]:
    torch.manual_seed(0)
    inputs = ExportInputs(
        model=Scorer().eval(),
        inputs={"ids": torch.randint(0, 50, (2, 7)), "price": torch.rand(2, 1)},
        dynamic={"ids": {0: "batch", 1: "tokens"}, "price": {0: "batch"}},
        outputs=("score", "embedding"),
    )
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    to_onnx(inputs, path)
    return inputs, path


def run(path: Path, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path)).run(["score", "embedding"], feed)


def shape(value: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_inputs_outputs_and_axes_have_their_documented_names(exported: tuple[ExportInputs, Path]) -> None:
    graph = onnx.load(exported[1]).graph
    assert {value.name: shape(value) for value in graph.input} == {"ids": ["batch", "tokens"], "price": ["batch", 1]}
    assert {value.name: shape(value) for value in graph.output} == {"score": ["batch", 10], "embedding": ["batch", 64]}


@pytest.mark.parametrize(("rows", "tokens"), [(1, 3), (2, 7), (9, 20)])
def test_onnx_says_what_torch_says_at_any_size(exported: tuple[ExportInputs, Path], rows: int, tokens: int) -> None:
    inputs, path = exported
    ids, price = torch.randint(0, 50, (rows, tokens)), torch.rand(rows, 1)
    with torch.inference_mode():
        expected = inputs.model(ids, price)
    for ours, theirs in zip(run(path, {"ids": ids.numpy(), "price": price.numpy()}), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_int8_stays_close_and_is_really_int8(exported: tuple[ExportInputs, Path], tmp_path: Path) -> None:
    inputs, path = exported
    quantize(path, tmp_path / "int8.onnx")
    feed = {name: tensor.numpy() for name, tensor in inputs.inputs.items()}
    score, embedding = run(tmp_path / "int8.onnx", feed)
    exact_score, exact_embedding = run(path, feed)
    np.testing.assert_allclose(score, exact_score, atol=0.05)
    assert not np.array_equal(score, exact_score)
    np.testing.assert_allclose(embedding, exact_embedding, atol=1e-5)
    assert "MatMulInteger" in {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}


def test_the_exporters_leave_stdout_alone(
    exported: tuple[ExportInputs, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    to_onnx(exported[0], tmp_path / "again.onnx")
    quantize(tmp_path / "again.onnx", tmp_path / "int8.onnx")
    assert capfd.readouterr().out == ""
