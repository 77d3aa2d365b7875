"""The sample store → a tiny Granite that stands in for the real one."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class LlmTinyResult(JobResult):
    """`loss`: mean of the last ten steps, nats a token."""

    model: str
    parameters: int
    vocabulary: int
    context: int
    steps: int
    loss: float


def llm_tiny(folder: Path, *, steps: int = 150, seed: int = 7) -> LlmTinyResult:
    """Train the rehearsal model (`vitrina.llm.rehearsal`) into `folder`, which appears whole or not at all.

    Raises:
        UsageError: when `steps` is not positive.
        ArtifactError: when `folder` cannot be written.
    """
    from vitrina.llm.rehearsal import build

    return LlmTinyResult(model=str(folder), **build(Path(folder), steps=steps, seed=seed))
