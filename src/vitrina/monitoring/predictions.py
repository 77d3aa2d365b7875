"""Read back the prediction log: JSON lines, one file per process and day, possibly torn by a `kill -9`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("request_id", "timestamp")
COLUMNS = (*REQUIRED, "model", "version")
_LOG_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\..+\.jsonl")
_AGO = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass
class Lines:
    """JSON lines read from files, with a count of those that could not be.

    Attributes:
        rows: the objects, in file order.
        torn: unfinished last lines (a process was killed while it wrote, or is writing now).
        corrupt: other lines that are not JSON objects with the required fields.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    torn: int = 0
    corrupt: int = 0


@dataclass(frozen=True)
class Window:
    """The predictions of a period; `frame` has one row per request, oldest first, `timestamp` in UTC."""

    frame: pd.DataFrame
    since: datetime | None
    until: datetime | None
    torn: int
    corrupt: int


def read_window(
    folder: Path,
    *,
    since: str | None = None,
    until: str | None = None,
) -> Window:
    """The predictions in `[since, until)` over the files of all processes.

    Args:
        since, until: ISO 8601 moments, or an age such as `90m`, `24h`, `7d`.

    Raises:
        UsageError: when `folder` does not exist or a moment cannot be read.
    """
    import pandas as pd

    if not folder.is_dir():
        raise UsageError(f"There is no prediction log: {folder} is not a folder.")
    start, end = moment(since), moment(until)
    parts, torn, corrupt = [pd.DataFrame(columns=list(COLUMNS))], 0, 0
    for path in _log_files(folder, start, end):
        lines = read_lines(path, REQUIRED)
        part, undated = _within(lines.rows, start, end)
        torn, corrupt = torn + lines.torn, corrupt + lines.corrupt + undated
        parts.append(part)  # the parsed lines are let go file by file: they weigh more than the frame
    frame = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    frame = frame.reindex(columns=list(dict.fromkeys([*COLUMNS, *frame.columns])))
    frame = frame.drop_duplicates("request_id", keep="last").sort_values("timestamp", kind="stable")
    return Window(frame.reset_index(drop=True), start, end, torn, corrupt)


def _within(rows: list[dict[str, Any]], start: datetime | None, end: datetime | None) -> tuple[pd.DataFrame, int]:
    """The rows of `[start, end)`, and how many have a timestamp that is none."""
    import pandas as pd

    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(COLUMNS))
    times = pd.to_datetime(frame["timestamp"], utc=True, errors="coerce", format="ISO8601")
    frame["timestamp"] = times
    keep = times.notna()
    if start is not None:
        keep &= times >= start
    if end is not None:
        keep &= times < end
    return frame[keep], int(times.isna().sum())


def read_lines(path: Path, required: tuple[str, ...]) -> Lines:
    """Every readable line of one JSON-lines file; a missing file is empty.

    Raises:
        DataError: when the file cannot be read.
    """
    lines = Lines()
    try:
        with path.open("rb") as file:
            for raw in file:
                row = _parse(raw, required)
                if row is not None:
                    lines.rows.append(row)
                elif raw.strip() and raw.endswith(b"\n"):
                    lines.corrupt += 1
                elif raw.strip():
                    lines.torn += 1
    except FileNotFoundError:
        return Lines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return lines


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 moment (UTC where it names no zone), or an age such as `24h` counted back from now.

    Raises:
        UsageError: when it is neither.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"'{text}' is neither an ISO 8601 moment nor an age such as 24h or 7d.") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _log_files(folder: Path, since: datetime | None, until: datetime | None) -> Iterator[Path]:
    """The day files that can hold rows of the window; a day of slack covers a flush after midnight."""
    slack = timedelta(days=1)
    for path in sorted(folder.glob("*.jsonl")):
        named = _LOG_NAME.fullmatch(path.name)
        if not named:
            continue
        day = date.fromisoformat(named[1])
        too_old = since is not None and day < (since.astimezone(UTC) - slack).date()
        too_new = until is not None and day > (until.astimezone(UTC) + slack).date()
        if not too_old and not too_new:
            yield path


def _parse(raw: bytes, required: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in required):
        return None
    return row
