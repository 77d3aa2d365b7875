"""Build the bento of a registered version."""

from kfp.dsl import Artifact, Output

from components._base import component


@component
def package(name: str, version: str, bento: Output[Artifact]) -> str:
    """`bento` is a folder that holds the built bento; answers its tag."""
    from pathlib import Path

    from vitrina.jobs import package as job

    return job(f"models:/{name}/{version}", Path(bento.path)).tag
