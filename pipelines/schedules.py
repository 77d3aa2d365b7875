"""`schedules.yaml`: which pipeline runs when. Kubeflow's cron has six fields, seconds first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vitrina.errors import UsageError

SCHEDULES = Path(__file__).parent / "schedules.yaml"

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS = (
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


class Schedule(BaseModel):
    """One recurring run of a compiled pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str = Field(description="A file of pipelines/compiled, without .yaml.")
    cron: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True

    @field_validator("cron")
    @classmethod
    def _six_fields(cls, cron: str) -> str:
        check_cron(cron)
        return cron


def read_schedules(path: Path = SCHEDULES) -> dict[str, Schedule]:
    """Name → schedule.

    Raises:
        UsageError: an unreadable file, an unknown key, a cron expression that Kubeflow would never run.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {name: Schedule(**fields) for name, fields in content.items()}
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}.") from error
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise UsageError(f"{path} is no map of name to schedule: {' '.join(str(error).split())}.") from error


def check_cron(cron: str) -> None:
    """Hold `cron` to robfig/cron's six fields: second, minute, hour, day of month, month, day of week.

    Raises:
        ValueError: names the field.
    """
    fields = cron.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"cron needs six fields, seconds first (0 0 3 * * *); '{cron}' has {len(fields)}")
    for text, (name, low, high) in zip(fields, FIELDS, strict=True):
        for part in text.split(","):
            if not _valid(part, name, low, high):
                raise ValueError(f"'{part}' in cron '{cron}' is no {name} ({low} to {high})")


def _valid(part: str, name: str, low: int, high: int) -> bool:
    match = PART.fullmatch(part)
    if not match or match["step"] == "0":
        return False
    if match["first"] in "*?":
        return match["last"] is None and (match["first"] == "*" or name.startswith("day"))
    ends = [_number(text, name) for text in (match["first"], match["last"]) if text is not None]
    return all(end is not None and low <= end <= high for end in ends) and ends == sorted(
        ends, key=lambda end: end or 0
    )


def _number(text: str, name: str) -> int | None:
    names = {"month": MONTHS, "day of week": DAYS}.get(name, ())
    if text.upper() in names:
        return names.index(text.upper()) + (name == "month")
    return int(text) if text.isdigit() else None
