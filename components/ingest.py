"""Read a shop's files into canonical tables."""

from kfp.dsl import Artifact, Dataset, Output

from components._base import component


@component
def ingest(sources: str, tables: Output[Dataset], quarantine: Output[Artifact]) -> int:
    """`sources` is a JSON map of table to file; the rows taken are counted, the bad ones quarantined."""
    import json
    from pathlib import Path

    from vitrina.jobs import ingest as job

    results = []
    for table, source in json.loads(sources).items():
        bad = Path(quarantine.path) / f"{table}.parquet"
        results.append(job(Path(source), table, Path(tables.path) / f"{table}.parquet", quarantine=bad))
    quarantine.metadata["rows"] = sum(result.quarantined for result in results)
    return sum(result.rows for result in results)
