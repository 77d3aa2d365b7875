"""Train a candidate."""

from kfp.dsl import Dataset, Input, Model, Output

from components._base import component


@component
def train(family: str, data: Input[Dataset], preset: str, overrides: str, seed: int, model: Output[Model]) -> None:
    """`model` is the model folder, complete with ONNX files and manifest."""
    import json
    from pathlib import Path

    from vitrina.jobs import train as job

    options = {"training.seed": seed, **json.loads(overrides)}
    result = job(family, Path(data.path), Path(model.path), preset=preset, overrides=options)
    model.metadata.update(family=family, preset=preset, seconds=result.seconds)
