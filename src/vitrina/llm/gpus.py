"""The GPUs the planner knows (`gpus.yaml`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field

from vitrina.errors import UsageError
from vitrina.llm.memory import GIB, Dtype


class Gpu(BaseModel):
    """One kind of GPU: memory that it has, memory bandwidth, number types that vLLM runs on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    memory_gib: float = Field(gt=0)
    bandwidth_gb_s: float = Field(gt=0)
    dtypes: tuple[Dtype, ...]

    @property
    def memory_bytes(self) -> int:
        """All of it, before any share is held back."""
        return int(self.memory_gib * GIB)

    @property
    def half(self) -> Dtype:
        """The 16-bit type to compute in: bfloat16 where the GPU has it (float16 overflows sooner)."""
        return "bf16" if "bf16" in self.dtypes else "fp16"


@cache
def gpus() -> dict[str, Gpu]:
    """All of them by name, smallest first as the file lists them."""
    listed = yaml.safe_load(files("vitrina.llm").joinpath("gpus.yaml").read_text(encoding="utf-8"))
    return {name: Gpu(name=name, **facts) for name, facts in listed.items()}


def gpu(name: str) -> Gpu:
    """One by name, whatever the case and with or without a dash or space.

    Raises:
        UsageError: when it is not known.
    """
    wanted = _plain(name)
    for known in gpus().values():
        if _plain(known.name) == wanted:
            return known
    raise UsageError(f"'{name}' is not a GPU the planner knows; choose {', '.join(gpus())}.")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace(" ", "").removesuffix("gb")
