"""A shop's own file: CSV (any of , ; tab |), JSON lines, a JSON array or Parquet; gzip as well.

Text that is not valid in the stated encoding becomes U+FFFD, which `data.coercion` refuses cell by cell: one broken
cell costs one row, not the file.
"""

from __future__ import annotations

import csv as standard_csv
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from vitrina.data.sources import RawRows, Rejected
from vitrina.data.tables import open_parquet
from vitrina.errors import DataError, UsageError

GZIP = b"\x1f\x8b"
DELIMITERS = ",;\t|"
TEXT_FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")


def read(path: Path, encoding: str = "utf-8") -> RawRows:
    """Read one file; the format is that of its suffix.

    Raises:
        UsageError: for a missing file, an unknown format or encoding.
        DataError: for a file that is empty or that no reader can make rows of.
    """
    if not path.is_file():
        raise UsageError(f"{path} does not exist or is not a file.")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix == ".parquet":
        return _numbered(open_parquet(path).read().to_pandas())
    if suffix not in TEXT_FORMATS:
        raise UsageError(f"{path}: unknown format '{suffix}'; known: {', '.join((*TEXT_FORMATS, '.parquet'))}.")
    text = _text(path, encoding)
    if not text.strip():
        raise DataError(f"{path} is empty.")
    if suffix in (".csv", ".tsv"):
        return _csv(path, text)
    if text.lstrip().startswith("["):
        return _json_array(path, text)
    return _json_lines(path, text)


def read_frame(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """The rows of a file that must be sound: like `read`, but a row that cannot be read is an error.

    Raises:
        UsageError, DataError: as `read`, and for the first unreadable row.
    """
    raw = read(path, encoding)
    if raw.rejected:
        first = raw.rejected[0]
        raise DataError(f"{path}, row {first.row}: {first.reason}.")
    return raw.frame.reset_index(drop=True)


def _text(path: Path, encoding: str) -> str:
    content = path.read_bytes()
    try:
        if content.startswith(GZIP):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file: {error}.") from error
    except LookupError as error:
        raise UsageError(f"There is no text encoding '{encoding}'.") from error


def _numbered(frame: pd.DataFrame) -> RawRows:
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))


def _csv(path: Path, text: str) -> RawRows:
    heading = text.lstrip().split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=heading.count)
    names = _names(path, heading, delimiter)
    rejected: list[Rejected] = []

    def reject(row: csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} cells where the heading has {row.expected_columns}"
        rejected.append(Rejected(row.number - 1, reason, row.text))
        return "skip"

    try:
        content = csv.read_csv(
            io.BytesIO(text.encode()),
            # One block: a cell with a long text must not straddle two. One thread: only then rows have numbers.
            read_options=csv.ReadOptions(use_threads=False, block_size=max(2 * len(text.encode()), 1024)),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=reject),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} cannot be read as CSV: {error}.") from error
    skipped = {row.row for row in rejected}
    total = content.num_rows + len(rejected)
    rows = [number for number in range(1, total + 1) if number not in skipped]
    return RawRows(content.to_pandas().set_axis(rows), rejected)


def _names(path: Path, heading: str, delimiter: str) -> list[str]:
    names = next(standard_csv.reader([heading.rstrip("\r")], delimiter=delimiter))
    if repeated := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{path} has more than one column named {', '.join(sorted(repeated))}.")
    return names


def _json_array(path: Path, text: str) -> RawRows:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}.") from error
    return _objects([(number, value, json.dumps(value)) for number, value in enumerate(values, 1)], [])


def _json_lines(path: Path, text: str) -> RawRows:
    objects: list[tuple[int, Any, str]] = []
    rejected: list[Rejected] = []
    lines = [line for line in text.split("\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            objects.append((number, json.loads(line), line))
        except ValueError as error:
            rejected.append(Rejected(number, f"not valid JSON: {error}", line))
    if not objects:
        raise DataError(f"{path} has no line of valid JSON.")
    return _objects(objects, rejected)


def _objects(values: list[tuple[int, Any, str]], rejected: list[Rejected]) -> RawRows:
    """Number, value and text of each row → a frame of the objects; what is no object is rejected."""
    good = {number: value for number, value, _ in values if isinstance(value, dict)}
    bad = [Rejected(number, "not a JSON object", text) for number, value, text in values if not isinstance(value, dict)]
    names = list(dict.fromkeys(name for value in good.values() for name in value))
    # dtype object: numbers beside gaps must not become floats.
    columns = {name: pd.Series([v.get(name) for v in good.values()], good.keys(), dtype=object) for name in names}
    return RawRows(pd.DataFrame(columns, index=list(good)), rejected + bad)
