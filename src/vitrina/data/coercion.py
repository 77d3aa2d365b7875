"""A shop's values → the types of the contract. What cannot be read is marked, never guessed."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import numpy as np
import pandas as pd

from vitrina.contracts.columns import Kind

TRUE = {"true", "1", "1.0", "yes", "y", "si", "sí"}
FALSE = {"false", "0", "0.0", "no", "n"}
DECIMAL_COMMA = re.compile(r"-?(\d+|\d{1,3}(\.\d{3})+),\d{1,2}")  # 12,5 and 1.299,00; 1,299 is ambiguous
DIGITS = re.compile(r"\d{9,16}(\.0*)?")
MILLISECONDS = 1e11  # larger epochs are in milliseconds: as seconds they would lie after the year 5000


def coerce(values: pd.Series, kind: Kind) -> tuple[pd.Series, pd.Series]:
    """Read `values` as `kind`.

    Returns:
        The typed values (null where empty or unreadable), and a mask of the unreadable ones.
    """
    empty = values.map(_is_empty).astype(bool)
    typed = _READERS[kind](values.where(~empty, None))
    return typed, ~empty & typed.isna()


def _is_empty(value: Any) -> bool:
    return value is None or value is pd.NaT or value != value or (isinstance(value, str) and not value.strip())


def _strings(values: pd.Series) -> pd.Series:
    return values.map(_string, na_action="ignore").astype(object).where(values.notna(), None)


def _string(value: Any) -> str | None:
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value.strip())
        return None if "\ufffd" in text else text
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else str(value)
    return None


def _floats(values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values.map(_decimal_point, na_action="ignore"), errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def _decimal_point(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
        return value.strip().replace(".", "").replace(",", ".")
    return value


def _integers(values: pd.Series) -> pd.Series:
    numbers = _floats(values)
    return numbers.where(numbers == numbers.round()).astype("Int64")


def _booleans(values: pd.Series) -> pd.Series:
    return values.map(_boolean, na_action="ignore").astype("boolean")


def _boolean(value: Any) -> bool | None:
    text = str(value).strip().lower()
    return True if text in TRUE else False if text in FALSE else None


def _timestamps(values: pd.Series) -> pd.Series:
    """ISO 8601 text, epochs in seconds or milliseconds, or timestamps; naive ones are UTC."""
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        return pd.to_datetime(values, utc=True).astype("datetime64[us, UTC]")
    text = values.map(lambda value: str(value).strip(), na_action="ignore")
    epoch = text.str.fullmatch(DIGITS).eq(True)
    moments = pd.Series(pd.NaT, index=values.index, dtype="datetime64[us, UTC]")
    seconds = text[epoch].astype("float64")
    seconds = seconds.where(seconds < MILLISECONDS, seconds / 1000)
    moments[epoch] = pd.to_datetime(seconds, unit="s", utc=True, errors="coerce").astype(moments.dtype)
    read = pd.to_datetime(text[~epoch], utc=True, errors="coerce", format="ISO8601")
    moments[~epoch] = read.astype(moments.dtype)
    return moments


def _bytes(values: pd.Series) -> pd.Series:
    return values.map(lambda value: value if isinstance(value, bytes) and value else None).astype(object)


def _attributes(values: pd.Series) -> pd.Series:
    return values.map(_pairs, na_action="ignore").astype(object).where(values.notna(), None)


def _pairs(value: Any) -> list[tuple[str, str]] | None:
    """A mapping, a list of pairs, or a JSON object in text → (name, value) pairs of strings."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    try:
        pairs = dict(value)
    except (TypeError, ValueError):
        return None
    return [(str(name), str(item)) for name, item in pairs.items() if item is not None]


_READERS = {
    "string": _strings,
    "float": _floats,
    "integer": _integers,
    "boolean": _booleans,
    "timestamp": _timestamps,
    "bytes": _bytes,
    "attributes": _attributes,
}
