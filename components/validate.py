"""Hold the tables to their contracts; what breaks one stops the pipeline."""

from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import component


@component
def validate(tables: Input[Dataset], report: Output[Artifact]) -> None:
    """`tables` is a folder of canonical Parquet tables, `report` one JSON file."""
    from pathlib import Path

    from vitrina.jobs import validate as job

    files = {path.stem: path for path in sorted(Path(tables.path).glob("*.parquet"))}
    job(files, Path(report.path))
