"""A language model and a load → the GPUs that serve it, and how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.llm.planner import Load


class LlmPlanResult(JobResult):
    """`gpus`: one mapping a GPU (`vitrina.llm.planner.GpuPlan`); `picture`: where it was drawn."""

    model: dict[str, Any]
    parameters: dict[str, int]
    load: dict[str, Any]
    gpus: list[dict[str, Any]]
    picture: str | None = None


def llm_plan(
    model: str, load: Load, *, gpus: Sequence[str] = (), served_name: str | None = None, picture: Path | None = None
) -> LlmPlanResult:
    """Plan the serving of a model with vLLM.

    Args:
        model: a folder with a config.json, a built-in model, or a hub id.
        gpus: names of `llm/gpus.yaml`; none: all.
        picture: a PNG file to draw.

    Raises:
        UsageError: an unknown model, GPU or number type, heads that cannot be divided, a context that is too long.
    """
    from vitrina.llm.models import resolve_model
    from vitrina.llm.picture import picture as draw
    from vitrina.llm.planner import plan

    made = plan(resolve_model(model), load, gpus, served_name)
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(draw(made))
    return LlmPlanResult(**made.model_dump(), picture=str(picture) if picture else None)
