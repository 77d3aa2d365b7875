"""The drift tests: two samples, one p-value and one effect size each, and one decision over all of them.

Each test is exact or conservative at small windows: label mix by chi-square with simulated tables, numbers by
Kolmogorov-Smirnov, missing values by Fisher, embeddings by the kernel two-sample test with permutations (MMD;
Gretton et al., JMLR 2012). A shift counts when its p-value beats Bonferroni's share of `ALPHA` *and* its effect is
large enough to matter. `benchmarks/drift_false_alarms.py` measures the false alarms of the whole decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vitrina.errors import ArtifactError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import Monitored

ALPHA = 0.02
EMBEDDING = "embedding"
MINIMUM_EFFECT = {"mix": 0.1, "shape": 0.05, "missing": 0.01, "embedding": 0.02}
TABLES = 4999
PERMUTATIONS = 1999
EMBEDDED_ROWS = 1000


class Measured(NamedTuple):
    """What one two-sample test says. `effect` is near 0 for equal samples, however many rows."""

    statistic: float
    p_value: float
    effect: float


@dataclass(frozen=True)
class DriftTest:
    """One tested column. A p-value below `threshold` is significant in the family of tests."""

    column: str
    test: str
    statistic: float
    p_value: float
    threshold: float
    effect: float
    minimum_effect: float

    @property
    def drifted(self) -> bool:
        """Significant, and large enough to matter."""
        return self.p_value < self.threshold and self.effect >= self.minimum_effect


def mix_test(reference: pd.Series, current: pd.Series, seed: int = 0) -> Measured:
    """Chi-square of two category mixes, p-value from simulated tables (rare categories are no trouble).

    The effect is Cohen's w between the mixes, less what chance alone would give; 0.1 is small, 0.3 medium.
    """
    import pandas as pd
    from scipy.stats import MonteCarloMethod, chi2_contingency

    counts = pd.concat([sample.dropna().astype(str).value_counts() for sample in (reference, current)], axis=1)
    table = counts.fillna(0).to_numpy(dtype=np.int64).T
    if table.shape[1] < 2:
        return Measured(0.0, 1.0, 0.0)
    method = MonteCarloMethod(n_resamples=TABLES, rng=np.random.default_rng(seed))
    found = chi2_contingency(table, correction=False, method=method)
    excess = max(0.0, found.statistic - (table.shape[1] - 1))
    return Measured(float(found.statistic), float(found.pvalue), float(np.sqrt(excess * (1 / table.sum(axis=1)).sum())))


def shape_test(reference: pd.Series, current: pd.Series) -> Measured:
    """Kolmogorov-Smirnov; statistic and effect: the largest gap between the distribution functions, 0–1."""
    from scipy.stats import ks_2samp

    found = ks_2samp(reference.dropna(), current.dropna(), method="asymp")
    return Measured(float(found.statistic), float(found.pvalue), float(found.statistic))


def missing_test(reference: pd.Series, current: pd.Series) -> Measured:
    """Fisher's exact test on missing values; statistic and effect are the difference of their shares, 0–1."""
    from scipy.stats import fisher_exact

    absent = [int(sample.isna().sum()) for sample in (reference, current)]
    present = [len(reference) - absent[0], len(current) - absent[1]]
    gap = abs(absent[0] / len(reference) - absent[1] / len(current))
    return Measured(gap, float(fisher_exact([absent, present]).pvalue), gap)


def embedding_test(reference: np.ndarray, current: np.ndarray, seed: int = 0) -> Measured:
    """Kernel two-sample test of (rows, dimension) embeddings: RBF kernel, median bandwidth, permutations.

    At most `EMBEDDED_ROWS` random rows a side. Statistic: unbiased MMD²; effect: its square root.
    """
    rng = np.random.default_rng(seed)
    first, second = (_sample(sample, rng) for sample in (reference, current))
    kernel = _kernel(np.vstack([first, second]))
    n_first, n_second = len(first), len(second)
    labels = np.zeros((PERMUTATIONS + 1, n_first + n_second), dtype=np.float32)
    labels[0, n_first:] = 1
    for row in labels[1:]:
        row[rng.choice(row.size, n_second, replace=False)] = 1
    within_second = ((labels @ kernel) * labels).sum(axis=1)
    between = labels @ kernel.sum(axis=1) - within_second
    within_first = kernel.sum() - within_second - 2 * between
    mmd = (
        within_first / (n_first * (n_first - 1))
        + within_second / (n_second * (n_second - 1))
        - 2 * between / (n_first * n_second)
    )
    p_value = (1 + int((mmd[1:] >= mmd[0]).sum())) / (PERMUTATIONS + 1)
    return Measured(float(mmd[0]), p_value, float(np.sqrt(max(0.0, mmd[0]))))


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    monitored: Monitored,
    embeddings: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[DriftTest]:
    """Every test of one drift decision; the family of tests shares `ALPHA` (Bonferroni).

    Args:
        embeddings: those of the reference and of the window, (rows, dimension) each.

    Raises:
        ArtifactError: when the reference lacks a monitored column.
        DataError: when the window lacks one, or holds text where numbers belong.
    """
    found = list(_measured(reference, current, monitored))
    if embeddings is not None:
        found.append((EMBEDDING, "embedding", embedding_test(*embeddings)))
    threshold = ALPHA / max(1, len(found))
    least = {**MINIMUM_EFFECT, **monitored.effects}
    return [
        DriftTest(column, test, result.statistic, result.p_value, threshold, result.effect, least[test])
        for column, test, result in found
    ]


def columns(frame: pd.DataFrame, monitored: Monitored, error: type[ArtifactError | DataError]) -> pd.DataFrame:
    """The monitored columns, numbers as float64.

    Raises:
        error: names the column that is missing or is no number.
    """
    import pandas as pd

    names = [*monitored.categorical, *monitored.numerical]
    absent = [name for name in names if name not in frame]
    if absent:
        raise error(f"Drift cannot be measured: there is no column '{absent[0]}'.")
    chosen = frame[names].copy()
    for name in monitored.numerical:
        try:
            chosen[name] = pd.to_numeric(chosen[name]).astype("float64").replace([np.inf, -np.inf], np.nan)
        except (ValueError, TypeError) as cause:
            raise error(f"Drift cannot be measured: column '{name}' holds values that are no number.") from cause
    return chosen


def _measured(
    reference: pd.DataFrame, current: pd.DataFrame, monitored: Monitored
) -> Iterator[tuple[str, str, Measured]]:
    old = columns(reference, monitored, ArtifactError)
    new = columns(current, monitored, DataError)
    for name in (*monitored.categorical, *monitored.numerical):
        if old[name].isna().any() or new[name].isna().any():
            yield name, "missing", missing_test(old[name], new[name])
        if old[name].isna().all() or new[name].isna().all():
            continue  # nothing to compare: the missing values alone decide
        if name in monitored.categorical:
            yield name, "mix", mix_test(old[name], new[name])
        else:
            yield name, "shape", shape_test(old[name], new[name])


def _sample(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if len(rows) <= EMBEDDED_ROWS:
        return rows
    return rows[rng.choice(len(rows), EMBEDDED_ROWS, replace=False)]


def _kernel(rows: np.ndarray) -> np.ndarray:
    """RBF kernel matrix, zero diagonal; the bandwidth is the median distance."""
    from sklearn.metrics.pairwise import euclidean_distances

    squared = euclidean_distances(rows.astype(np.float32), squared=True)
    median = float(np.median(squared[np.triu_indices_from(squared, k=1)]))
    kernel = np.exp(-squared / (median or 1.0)).astype(np.float32)
    np.fill_diagonal(kernel, 0)
    return kernel
