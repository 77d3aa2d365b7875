"""A seed → a whole shop: catalogue, photos, interactions, reviews, messages."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class SampleResult(JobResult):
    """Table → file, and table → rows."""

    tables: dict[str, str]
    rows: dict[str, int]


def sample(
    output: Path,
    *,
    products: int = 1000,
    users: int = 2000,
    interactions: int = 20_000,
    messages: int = 6000,
    seed: int = 7,
    drift: bool = False,
) -> SampleResult:
    """Write the sample store into the folder `output`, which appears whole or not at all.

    Args:
        drift: the same shop later, when customers write, buy and pay differently.

    Raises:
        UsageError: when one of the sizes is not positive.
        ArtifactError: when `output` cannot be written.
    """
    from vitrina.artifacts import staged_folder
    from vitrina.data.sample_store import Size, write_store

    size = Size(products=products, users=users, interactions=interactions, messages=messages)
    with staged_folder(Path(output)) as folder:
        rows = write_store(folder, size, seed, drift=drift)
    return SampleResult(tables={name: str(Path(output) / f"{name}.parquet") for name in rows}, rows=rows)
