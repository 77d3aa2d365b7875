"""A catalogue as a picture: its vectors in two dimensions, coloured by label, as PNG and as a page to explore."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

PNG = "catalogue_map.png"
HTML = "catalogue_map.html"
POINTS = 2000
"""Products shown; more would only cover one another."""

COLOURED = 19
"""Labels with a colour of their own: the most frequent; the rest is grey."""

OTHER = "other"
FEWEST_FOR_NEIGHBOURS = 50
PERPLEXITY = 30.0
COMPONENTS = 50


class CatalogueMap:
    """Up to `POINTS` products of a catalogue in the plane.

    Neighbours stay neighbours (t-SNE, van der Maaten and Hinton, 2008; from `FEWEST_FOR_NEIGHBOURS` products on),
    distances between groups say little.
    """

    def __init__(
        self, vectors: np.ndarray, labels: Sequence[str | None], titles: Sequence[str], *, seed: int = 7
    ) -> None:
        """`vectors` (products, dimension); `labels` colour the products (None: unknown), `titles` name them."""
        chosen = list(range(len(vectors)))
        if len(vectors) > POINTS:
            chosen = sorted(np.random.default_rng(seed).choice(len(vectors), POINTS, replace=False).tolist())
        self._vectors = np.asarray(vectors, dtype=np.float32)[chosen]
        self._labels = _coloured([labels[i] or OTHER for i in chosen])
        self._titles = [titles[i] for i in chosen]
        self._seed = seed

    @cached_property
    def points(self) -> pd.DataFrame:
        """Columns x, y, label, title."""
        import pandas as pd

        places = project(self._vectors, self._seed)
        return pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "label": self._labels, "title": self._titles})

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The picture and the page by name, made when asked for; see `Evaluation.files`."""
        return {PNG: lambda: _picture(self.points), HTML: lambda: _page(self.points)}


def catalogue_map(
    vectors: np.ndarray, labels: Sequence[str | None], titles: Sequence[str], folder: Path, *, seed: int = 7
) -> list[Path]:
    """Write the map into `folder`; returns the picture and the page, which needs no network. See `CatalogueMap`."""
    files = CatalogueMap(vectors, labels, titles, seed=seed).files()
    for name, content in files.items():
        (folder / name).write_bytes(content())
    return [folder / name for name in files]


def project(vectors: np.ndarray, seed: int = 7) -> np.ndarray:
    """(rows, dimension) → (rows, 2): t-SNE of the principal components, or with few rows these alone."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(vectors) < 3:
        return np.array([[float(i), 0.0] for i in range(len(vectors))]).reshape(len(vectors), 2)
    parts = min(COMPONENTS, len(vectors), vectors.shape[1])
    reduced = PCA(parts, random_state=seed).fit_transform(vectors)
    if len(vectors) < FEWEST_FOR_NEIGHBOURS:
        return reduced[:, :2] if parts > 1 else np.column_stack([reduced, np.zeros(len(vectors))])
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)


def _coloured(labels: list[str]) -> list[str]:
    """The most frequent labels, everything else as `OTHER`; in the order of the rows."""
    ranked = sorted({*labels} - {OTHER}, key=lambda label: (-labels.count(label), label))
    kept = set(ranked[:COLOURED])
    return [label if label in kept else OTHER for label in labels]


def _groups(points: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The points of each label, the largest group first and what has no colour at the bottom."""
    sizes = points["label"].value_counts()
    names = sorted(sizes.index, key=lambda name: (name != OTHER, -sizes[name], name))
    return [(str(name), points[points["label"] == name]) for name in names]


def _colours() -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    palette = colormaps["tab20"]
    return [to_hex(palette(i)) for i in range(20) if i != 15]  # 15 is a grey


def _picture(points: pd.DataFrame) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9), layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display and without pyplot's global state
    axes = figure.add_subplot()
    colours = iter(_colours())
    for name, group in _groups(points):
        colour = "#c8c8c8" if name == OTHER else next(colours)
        axes.scatter(group["x"], group["y"], s=7, linewidths=0, color=colour, label=name)
    axes.set_axis_off()
    axes.set_title(f"{len(points)} products, near where the model finds them alike")
    if len(points):
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=3, fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _page(points: pd.DataFrame) -> bytes:
    from plotly.graph_objects import Figure, Scattergl

    figure = Figure()
    colours = iter(_colours())
    for name, group in _groups(points):
        colour = "#c8c8c8" if name == OTHER else next(colours)
        figure.add_trace(
            Scattergl(
                x=group["x"].round(3),
                y=group["y"].round(3),
                name=name,
                text=group["title"],
                mode="markers",
                marker={"size": 5, "color": colour},
                hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            )
        )
    figure.update_layout(template="plotly_white", legend={"itemsizing": "constant"}, height=800)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure.to_html(include_plotlyjs=True, full_html=True).encode()
