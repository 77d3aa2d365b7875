"""Predict without a service: texts, or the rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    import pandas as pd


class PredictResult(JobResult):
    """`predictions` holds one mapping per row, unless they were written to `output`."""

    model: str
    version: str
    rows: int
    output: Path | None
    predictions: list[dict[str, Any]]


def predict(
    model: str, *, texts: list[str] | None = None, file: Path | None = None, output: Path | None = None
) -> PredictResult:
    """Predict `texts`, or the rows of `file` (CSV, JSON lines, Parquet) into `output` or the result.

    A text is the family's first input: a message, a product's title.

    Raises:
        UsageError: neither or both given, an unknown file type. DataError: a column that the model needs is missing.
    """
    import json

    import pandas as pd

    from vitrina.errors import DataError, UsageError
    from vitrina.families import catalog
    from vitrina.jobs.switch import source_of

    if bool(texts) == bool(file):
        raise UsageError("Give texts or --file, one of them.")
    source = source_of(model)
    spec = catalog.get(source.model)
    examples = pd.DataFrame({spec.inputs[0]: texts}) if file is None else _read(Path(file))
    missing = [name for name in spec.inputs if name not in examples]
    if missing:
        raise DataError(f"{file or 'The input'}: column {missing[0]} is missing; {spec.name} needs it.")
    if examples[list(spec.inputs)].isna().any(axis=None):
        raise DataError(f"{file}: some rows have no {' or '.join(spec.inputs)}.")
    predicted = spec.serving.load(source.folder).predict_frame(examples)
    if output is not None:
        _write(predicted, Path(output))
    rows = [] if output is not None else json.loads(predicted.to_json(orient="records"))
    return PredictResult(
        model=source.model, version=source.version, rows=len(predicted), output=output, predictions=rows
    )


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    from vitrina.errors import DataError, UsageError

    readers: dict[str, Any] = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
    }
    if not path.is_file():
        raise UsageError(f"{path} does not exist.")
    if path.suffix not in readers:
        raise UsageError(f"{path}: the file must end in {', '.join(readers)}.")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _write(frame: pd.DataFrame, path: Path) -> None:
    from vitrina.errors import UsageError

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        raise UsageError(f"{path}: the file must end in .csv, .jsonl or .parquet.")
