"""Which numbers of a text its data do not give. A number that nobody gave is the surest sign of an invention."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from vitrina.llm.prompts.variables import MarketInputs, Variables

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w]*\d)")
_LIST = re.compile(r"^\s*\d{1,2}[.)]\s", re.M)
MOST = 60
"""Values of a column from which pairs are combined; with more, almost any number would follow from some pair."""


def unknown(inputs: Variables, text: str) -> list[str]:
    """Numbers as they stand in a text that stand nowhere in the inputs; numbers of a list's items do not count."""
    given = set(_given(inputs.model_dump(mode="json")))
    return [each for each in _written(text) if not given & set(readings(each))]


def underived(inputs: MarketInputs, text: str) -> list[str]:
    """Numbers that neither stand in the data nor are counts, sums, means, differences, shares or changes of them."""
    given = set(_given(inputs.model_dump(mode="json")))
    unknown = [each for each in _written(text) if not given & set(readings(each))]
    if not unknown:
        return []
    made = np.sort(np.fromiter((value for column in _columns(inputs) for value in _derived(column)), float))
    return [each for each in unknown if not _is_rounded(each, made)]


def readings(number: str) -> Iterator[float]:
    """What a written number may mean: separators of thousands and decimals differ between languages."""
    parts, separators = re.split(r"[.,]", number), re.findall(r"[.,]", number)
    grouped = all(len(part) == 3 for part in parts[1:-1])
    if len(set(separators)) < 2 and grouped and (not separators or len(parts[-1]) == 3):
        yield float("".join(parts))
    if len(parts) == 2 or (separators and grouped and separators[-1] not in separators[:-1]):
        yield float("".join(parts[:-1]) + "." + parts[-1])


def _written(text: str) -> list[str]:
    return list(dict.fromkeys(_NUMBER.findall(_LIST.sub("", text))))


def _given(value: Any) -> Iterator[float]:
    """All numbers of the inputs, those inside texts too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _given(key)
            yield from _given(item)
    elif isinstance(value, list):
        for item in value:
            yield from _given(item)
    elif isinstance(value, str):
        for number in re.findall(r"\d+(?:[.,]\d+)*", value):
            yield from readings(number)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def _columns(inputs: MarketInputs) -> list[list[float]]:
    """What may be added up and compared; revenue over units, the mean price, is one of them."""
    products = [(each.units, each.price, each.rating) for each in inputs.products]
    sales = [(each.units, each.revenue, _ratio(each.revenue, each.units)) for each in inputs.sales]
    columns = [*zip(*products, strict=True), *zip(*sales, strict=True)]
    return [[value for value in column if value is not None] for column in columns]


def _ratio(whole: float | None, part: float | None) -> float | None:
    return whole / part if whole is not None and part else None


def _derived(column: Sequence[float]) -> Iterator[float]:
    total = sum(column)
    yield float(len(column))
    yield total
    if column:
        yield total / len(column)
        yield from column
    if total:
        yield from (100 * value / total for value in column)
    if len(column) <= MOST:
        for one, other in permutations(column, 2):
            yield abs(one - other)
            if other:
                yield abs(100 * (one - other) / other)
                yield 100 * one / other
                yield one / other


def _is_rounded(written: str, values: np.ndarray) -> bool:
    """Whether a number is one of the sorted values, rounded to the digits in which it is written."""
    for reading in readings(written):
        digits = len(re.split(r"[.,]", written)[-1]) if reading != int(reading) else 0
        half = 0.5 * 10**-digits + 1e-9
        low, high = np.searchsorted(values, (reading - half, reading + half))
        if low < high:
            return True
    return False
