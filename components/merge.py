"""Add newly labelled rows to the training tables."""

from kfp.dsl import Dataset, Output

from components._base import component


@component
def merge(tables: str, additions: str, merged: Output[Dataset]) -> int:
    """`tables` and `additions` are JSON maps of table to file; answers how many rows are new or changed."""
    import json
    from pathlib import Path

    from vitrina.jobs import merge as job

    base = {table: Path(path) for table, path in json.loads(tables).items()}
    new = {table: Path(path) for table, path in json.loads(additions).items()}
    return job(base, new, Path(merged.path)).added
