"""What an evaluation is, and how it is kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.artifacts import read_json, write_json

if TYPE_CHECKING:
    import pandas as pd

METRICS = "metrics.json"
ROWS = "rows.parquet"


@dataclass(frozen=True)
class Evaluation:
    """The measured quality of one model on one set of rows.

    Attributes:
        metrics: name → value; fractions are 0–1.
        rows: one line per evaluated row: `row_id` (str, stable across models) and `score` (float; 1/0 for accuracy),
            so that two models can be compared on the same rows.
        slices: one mapping per slice: `slice`, `value`, `rows`, and the metrics on it.
        behaviour: one mapping per behavioural check: `check`, `cases`, `passed`, `rate`, `failures` (samples).
        files: name → makes the content of a file for people (a table of classes, a picture); not read back.
    """

    metrics: dict[str, float]
    rows: pd.DataFrame
    slices: list[dict[str, Any]] = field(default_factory=list)
    behaviour: list[dict[str, Any]] = field(default_factory=list)
    files: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `metrics.json`, `rows.parquet` and the files for people into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.rows.to_parquet(folder / ROWS, index=False)
        write_json(
            folder / METRICS,
            {"metrics": self.metrics, "slices": self.slices, "behaviour": self.behaviour},
        )
        self.write_files(folder)

    def write_files(self, folder: Path) -> list[str]:
        """Write the files for people into `folder`; returns their names."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content())
        return list(self.files)

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """Read back what `write` wrote.

        Raises:
            ArtifactError: when the folder holds no evaluation.
        """
        import pandas as pd

        content = read_json(folder / METRICS)
        return cls(rows=pd.read_parquet(folder / ROWS), **content)
