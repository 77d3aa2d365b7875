"""Turn validated tables into a family's splits."""

from kfp.dsl import Dataset, Input, Output

from components._base import component


@component
def prepare(family: str, tables: Input[Dataset], preset: str, overrides: str, seed: int, data: Output[Dataset]) -> None:
    """`data` is the prepared folder; its data version is kept in the artifact's metadata."""
    import json
    from pathlib import Path

    from vitrina.jobs import prepare as job

    files = {path.stem: path for path in sorted(Path(tables.path).glob("*.parquet"))}
    result = job(family, files, Path(data.path), preset=preset, overrides=json.loads(overrides), seed=seed)
    data.metadata.update(family=family, data_version=result.data_version)
