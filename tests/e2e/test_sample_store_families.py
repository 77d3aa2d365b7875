"""Each family of the catalogue on the sample store, with its smoke preset: prepared, trained, exported, measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vitrina.artifacts import verify_manifest
from vitrina.data.sample_store import Size, write_store
from vitrina.families import catalog
from vitrina.jobs import evaluate, predict, prepare, train

LEARNT = {
    "fashion_recommender": -0.5,
    "product_embedder": 0.5,
    "product_classifier": 0.5,
    "multimodal_product": 0.4,
    "few_shot_classifier": 0.5,
    "product_describer": 0.1,
    "product_imager": 0.0,  # a few steps of diffusion draw noise: it is the path that is tested
    "graph_recommender": 0.02,
    "hybrid_recommender": 0.02,
}
"""What the primary metric reaches after a few steps; far above chance, far below what `base` reaches."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, Size(products=500, users=300, interactions=12_000, messages=800), seed=7)
    return folder


@pytest.mark.parametrize("family", LEARNT)
def test_a_family_learns_from_the_sample_store(family: str, store: Path, tmp_path: Path) -> None:
    spec = catalog.get(family)
    names = spec.tables or spec.optional_tables[:1]
    prepare(family, {name: store / f"{name}.parquet" for name in names}, tmp_path / "data", preset="smoke")
    model = Path(train(family, tmp_path / "data", tmp_path / "model", preset="smoke").model)
    verify_manifest(model)
    exported = {"model.int8.onnx", "parity.json"} if spec.modeling.export_inputs(model) else set()
    assert {"README.md", "reference.parquet"} | exported <= {each.name for each in model.iterdir()}

    measured = evaluate(str(model), tmp_path / "data", tmp_path / "evaluation")
    assert measured.metrics[spec.primary_metric] >= LEARNT[family]

    reference = pd.read_parquet(model / "reference.parquet")
    assert set(spec.monitored.categorical + spec.monitored.numerical) <= set(reference.columns)
    text = reference[spec.inputs[0]].iloc[0]
    assert len(predict(str(model), texts=[text]).predictions) == 1
