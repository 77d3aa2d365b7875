"""Any source → a canonical table. A row that breaks the contract goes to quarantine with its reason, never away.

A row whose key was already seen is quarantined too: the first stays. Rows that repeat another one entirely are not
counted as bad (exports overlap), those that contradict it are. Messages have no key: there, every row stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vitrina.contracts import Table, table_named
from vitrina.contracts.columns import Column
from vitrina.data import rules, sources
from vitrina.data.coercion import coerce
from vitrina.data.sources import RawRows, files
from vitrina.data.tables import staged_file, write_table
from vitrina.errors import DataError, UsageError

CONSTANT = "="
"""A mapped column that begins so is a constant: `currency` → `=EUR`."""


@dataclass(frozen=True)
class Ingested:
    """What came of a source; `quarantine` is the file with the bad rows, where there are any."""

    rows: int
    quarantined: int
    quarantine: Path | None
    ignored: list[str]


def ingest(
    source: Path,
    table: str,
    output: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    layout: str | None = None,
    quarantine: Path | None = None,
    max_bad: float = 0.2,
    encoding: str = "utf-8",
) -> Ingested:
    """Write the canonical `table` made of `source` to `output`, and its bad rows beside it.

    Args:
        mapping: canonical column → the source's column, or `=constant`.
        layout: how a folder is laid out; default: guessed from its files.
        quarantine: CSV or Parquet; default: `<output>.quarantine.csv`.
        max_bad: the largest share of bad rows that is accepted, 0 to 1.

    Raises:
        UsageError: for a wrong argument.
        DataError: for a source without rows, without a needed column, or with too many bad rows; nothing is written.
    """
    contract = table_named(table)
    place = _quarantine_path(output, quarantine)
    raw = _read(source, contract, layout, encoding)
    frame, ignored = _rename(raw.frame, contract, mapping or {}, source)
    typed, reasons = _check(frame, contract)
    repeats = _repeats(typed[reasons == ""], contract)
    reasons.update(repeats["reason"])
    harmless = int((~repeats["contradicts"].astype(bool)).sum())
    _refuse_if_many(source, [*reasons[reasons != ""], *(row.reason for row in raw.rejected)], harmless, raw, max_bad)
    quarantined = _quarantined(raw, reasons)
    _write_quarantine(quarantined, place)
    kept = typed[reasons == ""]
    write_table(kept, contract, output)
    return Ingested(len(kept), len(quarantined), place if len(quarantined) else None, ignored)


def _quarantine_path(output: Path, given: Path | None) -> Path:
    path = given or output.with_name(f"{output.name.removesuffix('.parquet')}.quarantine.csv")
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"A quarantine file is .csv or .parquet, not {path.name}.")
    return path


def _read(source: Path, table: Table, layout: str | None, encoding: str) -> RawRows:
    if not source.exists():
        raise UsageError(f"{source} does not exist.")
    if source.is_dir():
        reader = sources.layout(layout or sources.guess(source))
        if table.name != reader.TABLE:
            raise UsageError(f"{source} holds {reader.TABLE}, not {table.name}.")
        raw = reader.read(source)
    elif layout:
        raise UsageError(f"--layout {layout} reads a folder; {source} is a file.")
    else:
        raw = files.read(source, encoding)
    if raw.frame.empty and not raw.rejected:
        raise DataError(f"{source} has no rows.")
    return raw


def _rename(
    raw: pd.DataFrame, table: Table, mapping: Mapping[str, str], source: Path
) -> tuple[pd.DataFrame, list[str]]:
    """The canonical columns, untyped; and the source's columns that nobody asked for."""
    if unknown := sorted(set(mapping) - set(table.names)):
        raise UsageError(f"{table.name} has no column {', '.join(unknown)}; it has {', '.join(table.names)}.")
    wanted = {name: mapping.get(name, name) for name in table.names}
    absent = [f"{name} (mapped to {wanted[name]})" for name in mapping if not _present(wanted[name], raw)]
    absent += [c.name for c in table.columns if c.required and c.name not in mapping and c.name not in raw]
    if absent:
        found = ", ".join(map(str, raw.columns))
        raise DataError(
            f"{source} lacks the column {', '.join(absent)} of {table.name}; it has {found}. "
            f"Name it with --map {absent[0].split()[0]}=COLUMN, or give every row one value with "
            f"--map {absent[0].split()[0]}==VALUE."
        )
    columns = {name: _values(raw, origin) for name, origin in wanted.items()}
    ignored = [str(name) for name in raw.columns if name not in wanted.values()]
    return pd.DataFrame(columns, index=raw.index), ignored


def _present(origin: str, raw: pd.DataFrame) -> bool:
    return origin.startswith(CONSTANT) or origin in raw


def _values(raw: pd.DataFrame, origin: str) -> pd.Series:
    if origin.startswith(CONSTANT):
        return pd.Series(origin.removeprefix(CONSTANT), index=raw.index, dtype=object)
    return raw[origin] if origin in raw else pd.Series(None, index=raw.index, dtype=object)


def _check(frame: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, pd.Series]:
    """The typed columns, and why each row is bad ("" where it is good)."""
    typed: dict[str, pd.Series] = {}
    problems: list[tuple[pd.Series, str]] = []
    for column in table.columns:
        values, unreadable = coerce(frame[column.name], column.kind)
        if column.default is not None:
            values = values.where(values.notna() | unreadable, column.default)
        typed[column.name] = values
        problems.append((unreadable, f"{column.name}: {_expected(column)}"))
        if not column.nullable:
            problems.append((values.isna() & ~unreadable, f"{column.name}: {rules.NOT_EMPTY}"))
    result = pd.DataFrame(typed, index=frame.index)
    problems += [
        (rules.broken(result, column, rule), f"{column.name}: {rule}")
        for column in table.columns
        for rule in column.rules
    ]
    reasons = pd.Series("", index=frame.index, dtype=object)
    for mask, reason in problems:
        if mask.any():
            reasons[mask] = (reasons[mask] + "; " + reason).str.removeprefix("; ")
    return result, reasons


def _expected(column: Column) -> str:
    """What a person is told about a value that is not of the column's type."""
    return "valid text" if column.kind == "string" else f"a valid {column.kind}"


def _repeats(good: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Of the rows whose key an earlier row has: `reason`, and whether the row `contradicts` the earlier one."""
    keys = list(table.key)
    later = good.duplicated(keys) if keys else pd.Series(False, index=good.index)
    if not later.any():
        return pd.DataFrame({"reason": [], "contradicts": []})
    compared = good.assign(**{c.name: good[c.name].map(str) for c in table.columns if c.kind == "attributes"})
    first = compared.index.to_series().groupby([compared[key] for key in keys]).transform("first")[later]
    contradicts = ~compared.duplicated()[later]
    reason = f"the same {' + '.join(keys)} as row " + first.astype(str)
    return pd.DataFrame({"reason": reason, "contradicts": contradicts})


def _refuse_if_many(source: Path, reasons: list[str], harmless: int, raw: RawRows, limit: float) -> None:
    total = len(raw.frame) + len(raw.rejected)
    bad = len(reasons) - harmless
    if bad <= limit * total and bad < total:
        return
    counts = Counter(part for reason in reasons for part in reason.split("; "))
    common = "; ".join(f"{reason} ({count:,})" for reason, count in counts.most_common(3))
    hint = " If the file is not UTF-8, name its --encoding." if "valid text" in common else ""
    raise DataError(
        f"{source}: {bad:,} of {total:,} rows are bad, more than {limit:.0%}: {common}. Nothing was written.{hint}"
    )


def _quarantined(raw: RawRows, reasons: pd.Series) -> pd.DataFrame:
    """The bad rows as they came, as text, with `row` (from 1, headings not counted) and `reason`."""
    own = {name: f"{name} (source)" for name in ("row", "reason") if name in raw.frame}
    bad = raw.frame[reasons != ""].map(_as_text).rename(columns=own)
    bad.insert(0, "row", bad.index)
    bad.insert(1, "reason", reasons[reasons != ""])
    lost = pd.DataFrame([{"row": r.row, "reason": r.reason, "content": r.content} for r in raw.rejected])
    return pd.concat([bad, lost]).sort_values("row") if len(lost) else bad


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return "" if value is None or value != value else str(value)


def _write_quarantine(rows: pd.DataFrame, path: Path) -> None:
    """Write the bad rows, or remove those of an earlier run."""
    if rows.empty:
        path.unlink(missing_ok=True)
        return
    with staged_file(path) as staging:
        if path.suffix == ".csv":
            rows.to_csv(staging, index=False)
        else:
            rows.to_parquet(staging, index=False)
