"""What prompts are evaluated on: products of a catalogue, or inputs from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.products import Product
from vitrina.errors import DataError, UsageError
from vitrina.llm.prompts.evaluation import Case
from vitrina.llm.prompts.examples import ExampleBook
from vitrina.llm.prompts.tasks import first_mistake, task
from vitrina.llm.prompts.variables import DescribeInputs, ProductFacts
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd


def of_lines(kind: str, file: Path) -> list[Case]:
    """The inputs of a task, one JSON object a line.

    Raises:
        UsageError: no such file. DataError: lines that are no inputs of the task, or none at all.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error
    cases = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            cases.append(Case(task(kind).inputs.model_validate(json.loads(line))))
        except ValidationError as error:
            raise DataError(f"{file}, line {number}: {first_mistake(error)}.") from error
        except ValueError as error:
            raise DataError(f"{file}, line {number} is no JSON: {error}.") from error
    if not cases:
        raise DataError(f"{file} holds no inputs.")
    return cases


def of_catalogue(catalogue: pd.DataFrame, count: int) -> list[Case]:
    """`describe` for up to `count` products, chosen by a hash of their ids: the same ones as the catalogue grows.

    Raises:
        DataError: when there is no product that the task takes.
    """
    from vitrina.families.layers.products import products_of

    found = [case for product in sorted(products_of(catalogue), key=_luck) if (case := _case(product))]
    if not found:
        raise DataError("The catalogue holds no product that could be described.")
    return found[:count]


def with_examples(cases: Sequence[Case], catalogue: pd.DataFrame, count: int) -> list[Case]:
    """The cases of `describe` with examples from a catalogue.

    Raises:
        UsageError: another task's.
    """
    book = ExampleBook.of(catalogue)
    made = []
    for case in cases:
        if not isinstance(case.inputs, DescribeInputs):
            raise UsageError("Only descriptions take examples from a catalogue.")
        made.append(Case(case.inputs, book.like(case.inputs.product, case.inputs.language, count)))
    return made


def _luck(product: Product) -> bytes:
    return hashlib.blake2b((product.product_id or product.title).encode(), digest_size=8).digest()


def _case(product: Product) -> Case | None:
    """The product without its description: that is what the model is to write. None: the task does not take it."""
    stated = product.language
    if stated in (None, UNDETERMINED):
        stated = detect_language(f"{product.title} {product.description or ''}")
    known = {name: getattr(product, name) for name in ("title", "product_id", "brand", "category", "price", "currency")}
    try:
        facts = ProductFacts(**known, attributes=dict(product.attributes))
        return Case(DescribeInputs(language=stated, product=facts))  # type: ignore[arg-type]
    except ValidationError:
        return None
