"""Has the traffic moved? Compares a window of the prediction log with the model's own reference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.errors import ArtifactError, DataError
from vitrina.monitoring.statistics import EMBEDDED_ROWS, EMBEDDING, DriftTest, columns, compare

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import FamilySpec, Monitored

REFERENCE = "reference.parquet"
DISTANCE = "distance to the nearest reference row"
_WORDS = {
    "mix": "the mix of {column} changed",
    "shape": "the distribution of {column} changed",
    "missing": "the share of missing {column} changed",
    "embedding": "the inputs mean something else than the reference's",
}


@dataclass(frozen=True)
class Drift:
    """The comparison of one window. `reference` and `current` hold the watched columns."""

    tests: list[DriftTest]
    reference: pd.DataFrame
    current: pd.DataFrame
    embeddings: tuple[np.ndarray, np.ndarray] | None
    monitored: Monitored

    @property
    def drifted(self) -> bool:
        """Whether any test found a shift that is significant and large enough."""
        return any(test.drifted for test in self.tests)

    @property
    def reasons(self) -> list[str]:
        """One sentence per drifted test."""
        return [
            f"{_WORDS[test.test].format(column=test.column)} "
            f"(effect {test.effect:.3f}, at least {test.minimum_effect:g} counts; "
            f"p = {test.p_value:.2g}, below {test.threshold:.2g})"
            for test in self.tests
            if test.drifted
        ]

    def test_rows(self) -> list[dict[str, Any]]:
        """Every test as plain values, for `tests.json` and the decision."""
        return [{**asdict(test), "drifted": test.drifted} for test in self.tests]

    def missing(self) -> dict[str, float]:
        """Share of missing values in the window, by column."""
        return {str(name): float(share) for name, share in self.current.isna().mean().items()}


def load_reference(folder: Path) -> pd.DataFrame:
    """The drift reference of a model folder.

    Raises:
        ArtifactError: when the folder has none, or an empty one.
    """
    import pandas as pd

    path = folder / REFERENCE
    if not path.is_file():
        raise ArtifactError(f"Model folder {folder} has no {REFERENCE}: drift has nothing to compare with.")
    try:
        reference = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is not a readable Parquet file: {error}.") from error
    if len(reference) < 2:
        raise ArtifactError(f"{path} has {len(reference)} rows: a reference needs at least two.")
    return reference


def reference_embeddings(reference: pd.DataFrame) -> np.ndarray:
    """(rows, dimension) float32 from the reference's `embedding` column.

    Raises:
        ArtifactError: when there is none.
    """
    if EMBEDDING not in reference:
        raise ArtifactError(f"The model's {REFERENCE} has no column '{EMBEDDING}'.")
    return np.stack(reference[EMBEDDING].to_list()).astype(np.float32)


def measure(spec: FamilySpec, folder: Path, window: pd.DataFrame, seed: int = 0) -> Drift:
    """Test a window of predictions against the reference of the model in `folder`.

    Raises:
        ArtifactError: when the model folder has no usable reference.
        DataError: when the window lacks a monitored column.
    """
    reference = load_reference(folder)
    embeddings = None
    if spec.monitored.text is not None:
        embeddings = _embeddings(spec, folder, reference, window, seed)
    return Drift(
        tests=compare(reference, window, spec.monitored, embeddings),
        reference=columns(reference, spec.monitored, ArtifactError),
        current=columns(window, spec.monitored, DataError),
        embeddings=embeddings,
        monitored=spec.monitored,
    )


def _embeddings(
    spec: FamilySpec, folder: Path, reference: pd.DataFrame, window: pd.DataFrame, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    text = spec.monitored.text
    if text not in window:
        raise DataError(f"Drift cannot be measured: there is no column '{text}'.")
    rows = window[window[text].notna()]
    if len(rows) < 2:
        return None  # nothing to embed; the missing values are tested where the column is watched
    rows = rows.sample(min(len(rows), EMBEDDED_ROWS), random_state=seed)
    current = spec.serving.load(folder).embed(rows.reset_index(drop=True))
    return reference_embeddings(reference), np.asarray(current, dtype=np.float32)


def nearest_distance(rows: np.ndarray, reference: np.ndarray, *, itself: bool = False, count: int = 1) -> np.ndarray:
    """Euclidean distance of each row to the `count`-th nearest reference row; `itself`: the rows are the reference."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(algorithm="brute").fit(reference)
    distances, _ = search.kneighbors(None if itself else rows, n_neighbors=count)
    return distances[:, -1]


def write_report(drift: Drift, path: Path) -> None:
    """Evidently's HTML report (self-contained) of the same columns, tests and thresholds as the decision."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import MissingValueCount, ValueDrift

    reference, current = drift.reference, drift.current
    if drift.embeddings is not None:
        reference, current = _with_distance(drift, drift.embeddings)
    methods = {test.column: _register(test) for test in drift.tests if test.test != "missing"}
    thresholds = {test.column: test.threshold for test in drift.tests}
    metrics: list[Any] = []
    if EMBEDDING in methods:
        metrics.append(ValueDrift(column=DISTANCE, method=methods.pop(EMBEDDING), threshold=thresholds[EMBEDDING]))
    for column, method in methods.items():
        metrics.append(ValueDrift(column=column, method=method, threshold=thresholds[column]))
    metrics += [MissingValueCount(column=column) for column in drift.current]
    definition = DataDefinition(
        numerical_columns=[*drift.monitored.numerical, *([DISTANCE] if drift.embeddings is not None else [])],
        categorical_columns=list(drift.monitored.categorical),
    )
    old, new = (Dataset.from_pandas(frame, data_definition=definition) for frame in (reference, current))
    Report(metrics, include_tests=True).run(new, old).save_html(str(path))


def _with_distance(drift: Drift, embeddings: tuple[np.ndarray, np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames with the distance column, which makes the embedding test visible as a histogram."""
    old, new = embeddings
    reference, current = drift.reference.copy(), drift.current.copy()
    reference[DISTANCE] = nearest_distance(old, old, itself=True)
    current[DISTANCE] = np.nan
    current.loc[current.index[: len(new)], DISTANCE] = nearest_distance(new, old)
    return reference, current


def _register(test: DriftTest) -> str:
    """Give Evidently our test under a name of its own: its chi-square can false-alarm half of the time."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    name = f"vitrina_{test.test}_{test.column}"
    kinds = [ColumnType.Categorical if test.test == "mix" else ColumnType.Numerical]
    stat_test = StatTest(name=name, display_name=f"{test.test} p_value", allowed_feature_types=kinds)
    register_stattest(stat_test, lambda *_: (test.p_value, test.drifted))
    return name
