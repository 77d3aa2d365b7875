"""Great Expectations over canonical tables: one suite a contract, made from the same rules that ingest checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vitrina.contracts import Table, table_named
from vitrina.data import rules
from vitrina.data.tables import open_parquet, read_table, schema, schema_problems

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SAMPLES = 5
UNWATCHED = ("bytes", "attributes")  # no rule looks inside them: their type is checked, their content is not read


@dataclass(frozen=True)
class Breach:
    """One broken rule."""

    file: str
    table: str
    column: str
    rule: str
    bad_rows: int
    rows: int
    samples: list[str]

    def __str__(self) -> str:
        where = f"column {self.column}" if self.column else f"table {self.table}"
        count = f"{self.bad_rows:,} of {self.rows:,} rows" if self.rows else "an empty file"
        seen = f" (such as {', '.join(self.samples)})" if self.samples else ""
        return f"{self.file}: {where} breaks the rule '{self.rule}' in {count}{seen}"


@dataclass(frozen=True)
class Checked:
    """What was looked at in one table, and what broke."""

    rows: int
    checks: int
    breaches: list[Breach]


def check_tables(tables: Mapping[str, Path]) -> dict[str, Checked]:
    """Check every table, and the references between those that are given together.

    Raises:
        UsageError: for an unknown table name.
        DataError: for a file that is missing or not Parquet.
    """
    contracts = {name: table_named(name) for name in tables}
    return {name: _check(contracts[name], path, tables) for name, path in tables.items()}


def suite(table: Table, known: Mapping[str, list[str]] | None = None) -> ExpectationSuite:
    """The expectations of one contract; `known`: referencing column → the values it may have."""
    from great_expectations import ExpectationSuite

    expectations = rules.table_expectations(table)
    for column in table.columns:
        expectations += [rules.expectation(column, rule) for rule in column.rules]
    for reference in table.references:
        if known and reference.column in known:
            expectations.append(rules.reference_expectation(reference, known[reference.column]))
    return ExpectationSuite(name=table.name, expectations=expectations)


def _check(table: Table, path: Path, tables: Mapping[str, Path]) -> Checked:
    file = open_parquet(path)
    rows = file.metadata.num_rows
    if problems := schema_problems(file.schema_arrow, table):
        breaches = [
            Breach(str(path), table.name, name, f"present as {schema(table).field(name).type}", rows, rows, [problem])
            for name, problem in problems.items()
        ]
        return Checked(rows, len(table.columns), breaches)
    frame = _watched(read_table(path, table, _readable(table)), path, table)
    known = {
        reference.column: _column(tables[reference.table], reference.target)
        for reference in table.references
        if reference.table in tables
    }
    results = _run(suite(table, known), frame)
    breaches = [_breach(result, path, table, rows) for result in results if not result.success]
    return Checked(rows, len(results), breaches)


def _readable(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.kind not in UNWATCHED]


def _watched(frame: pd.DataFrame, path: Path, table: Table) -> pd.DataFrame:
    """Add, for the columns whose content is not read, whether there is any: enough for "not empty"."""
    for column in table.columns:
        if column.kind in UNWATCHED and not column.nullable:
            content = open_parquet(path).read(columns=[column.name]).column(0)
            frame[column.name] = content.is_valid().to_pandas().map({True: "content", False: None})
    return frame


def _column(path: Path, name: str) -> list[str]:
    file = open_parquet(path)
    if name not in file.schema_arrow.names:
        return []
    return file.read(columns=[name]).column(0).unique().drop_null().to_pylist()


def _run(expectations: ExpectationSuite, frame: pd.DataFrame) -> list[Any]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("tables").add_dataframe_asset(expectations.name)
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    form = {"result_format": "SUMMARY", "partial_unexpected_count": SAMPLES}
    return list(batch.validate(expectations, result_format=form).results)


def _breach(result: Any, path: Path, table: Table, rows: int) -> Breach:
    told = result.expectation_config.meta
    problem = _exception(result)
    found = result.result or {}
    samples = [_short(value) for value in found.get("partial_unexpected_list", []) if value is not None]
    return Breach(
        file=str(path),
        table=table.name,
        column=told["column"],
        rule=f"{told['rule']} (not checkable: {problem})" if problem else told["rule"],
        bad_rows=int(found.get("unexpected_count", rows)),
        rows=rows,
        samples=list(dict.fromkeys(samples)),
    )


def _exception(result: Any) -> str:
    """Great Expectations hides a failed computation in `exception_info`, with an empty result."""
    info = result.exception_info or {}
    details = [info] if "raised_exception" in info else list(info.values())
    messages = [str(item["exception_message"]) for item in details if item.get("raised_exception")]
    return messages[0] if messages else ""


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
