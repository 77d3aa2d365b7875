"""What the recommenders that rank a shop's products share: prepared data, the folder's shop, rows in and out."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vitrina.artifacts import read_json
from vitrina.errors import ArtifactError, DataError
from vitrina.evaluation.recommendation import percentiles
from vitrina.recommendation.events import read_events
from vitrina.recommendation.histories import LONGEST, Histories, History, histories_of, of_events
from vitrina.recommendation.shelf import PRODUCTS, Asked, Ranked, Shelf, read_products
from vitrina.recommendation.splitting import example_histories, segment, split
from vitrina.recommendation.visits import visits

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

HISTORIES = "histories"
POPULARITY = "popularity.npy"
REFERENCE = "reference.parquet"
VISITS = 2000
"""Rows of the drift reference."""

CHUNK = 64
"""Rows ranked together by the offline paths: 64 rows of scores of 100,000 products are 26 MB."""

COLUMNS = ["product_id", "title", "description", "category", "brand", "price", "currency", "attributes", "stock"]
"""What `products.parquet` keeps of a catalogue, as far as it has them."""


def prepare_shop(
    tables: Mapping[str, Path], output: Path, *, how: str, fraction: float, longest: int, seed: int
) -> None:
    """Split the interactions; keep the products they may lead to, all histories for serving, and what traffic is like.

    Raises:
        DataError: when there are no products or interactions, or a part ends empty.
    """
    import pyarrow.parquet as pq

    products = _catalogue(tables["catalogue"])
    interactions = pq.read_table(tables["interactions"])
    ids = products["product_id"].to_pylist()
    split(interactions, ids, how, fraction=fraction, longest=longest, seed=seed).save(output)
    pq.write_table(products, output / PRODUCTS, compression="zstd")
    events = read_events(interactions, ids)
    of_events(events, longest).save(output / HISTORIES)
    pq.write_table(visits(events, VISITS, seed, longest), output / REFERENCE, compression="zstd")


def _catalogue(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    products = file.read(columns=[name for name in COLUMNS if name in file.schema_arrow.names])
    if not len(products):
        raise DataError(f"{path} has no products.")
    if len(set(products["product_id"].to_pylist())) != len(products):
        raise DataError(f"{path} names a product more than once.")
    return products


def read_questions(path: Path, split_name: str) -> pd.DataFrame:
    """Rows to answer: a split of a prepared folder, or a file (CSV, JSON lines, Parquet) that has `user_id`.

    Without `history` (product ids, oldest first) a user's history is what the model's folder holds.

    Raises:
        UsageError: when there is no such file or split. DataError: when `user_id` is missing.
    """
    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    if path.is_dir():
        return read_split(path, split_name)
    frame = read_frame(path)
    if "user_id" not in frame:
        raise DataError(f"{path}: column user_id is missing; it has {', '.join(map(str, frame.columns))}.")
    if "row_id" not in frame:
        frame["row_id"] = [str(number) for number in frame.index]
    return frame


def training_histories(data: Path, longest: int = LONGEST) -> Histories:
    """The training events of a prepared folder as histories in its item space."""
    import pyarrow.parquet as pq

    ids = pq.read_table(data / PRODUCTS, columns=["product_id"])["product_id"].to_pylist()
    return histories_of(pq.read_table(data / "train.parquet"), ids, longest=longest)


def write_shop(data: Path, folder: Path, training: Histories) -> None:
    """Put what serving needs of a prepared folder into the model folder: products, histories, popularity."""
    shutil.copyfile(data / PRODUCTS, folder / PRODUCTS)
    shutil.copytree(data / HISTORIES, folder / HISTORIES, dirs_exist_ok=True)
    np.save(folder / POPULARITY, np.asarray(training.matrix().sum(axis=0), dtype=np.float32).ravel())


class ShopRecommender(ABC):
    """Base of a recommender's predictor: knows products, histories and popularity; a family adds `rank` and `vectors`.

    Attributes:
        shelf: the products as they were when the model was trained.
        histories: of the users, as they were then.
        customers: (products,) float32, how many users had each product in training.
        popularity: (products,) float32, its percentile, 0–1.
        settings: the content of `labels.json`.
    """

    def __init__(self, folder: Path) -> None:
        """Read a model folder.

        Raises:
            ArtifactError: when a file is missing or damaged.
        """
        self.settings: dict[str, Any] = read_json(folder / "labels.json")
        self.shelf = Shelf(read_products(folder / PRODUCTS))
        self.histories = Histories.load(folder / HISTORIES)
        try:
            self.customers = np.load(folder / POPULARITY)
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{folder / POPULARITY} cannot be read: {error}.") from error
        if not len(self.shelf) == len(self.customers) == len(self.histories.products):
            raise ArtifactError(f"{folder} is damaged: products, histories and popularity do not agree.")
        self.popularity = percentiles(self.customers).astype(np.float32)

    @abstractmethod
    def rank(self, asked: Sequence[Asked], shelf: Shelf) -> list[Ranked]:
        """The best products for each request, out of those that `shelf` offers."""

    @abstractmethod
    def vectors(self, histories: Sequence[History], users: Sequence[str | None]) -> np.ndarray:
        """(histories, dimension) float32: what each user is like."""

    def histories_in(self, examples: pd.DataFrame) -> list[History]:
        """The history of each row: the row's own where it has one, else the user's in the folder."""
        if "history" not in examples:
            return [self.histories.of(str(user)) for user in examples["user_id"]]
        stated = examples["history"].map(lambda value: isinstance(value, list | np.ndarray | tuple))
        own = examples[stated]
        given = iter(example_histories(_timed(own), self.shelf.places))
        users = zip(examples["user_id"], stated, strict=True)
        return [next(given) if has else self.histories.of(str(user)) for user, has in users]

    def ranked(self, examples: pd.DataFrame, k: int, *, seen: bool) -> list[Ranked]:
        """`k` products for each row; `seen`: all of the history is left out, not only what was bought."""
        histories = self.histories_in(examples)
        users = examples["user_id"] if "user_id" in examples else [None] * len(examples)
        asked = [
            Asked(
                str(user) if isinstance(user, str) else None,
                history,
                k,
                excluded=history.distinct if seen else history.bought,
            )
            for user, history in zip(users, histories, strict=True)
        ]
        parts = [self.rank(asked[start : start + CHUNK], self.shelf) for start in range(0, len(asked), CHUNK)]
        return [one for part in parts for one in part]

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Ten products a row, in the columns of the prediction log; same index as `examples`."""
        import pandas as pd

        histories = self.histories_in(examples)
        answers = self.ranked(examples, 10, seen=False)
        rows = [
            self._logged(user, history, ranked)
            for user, history, ranked in zip(examples["user_id"], histories, answers, strict=True)
        ]
        return pd.DataFrame(rows, index=examples.index)

    def _logged(self, user: Any, history: History, ranked: Ranked) -> dict[str, Any]:
        places = ranked.places
        return {
            "user_id": user,
            "shown": [self.shelf.ids[place] for place in places.tolist()],
            "label": (self.shelf.categories[places[0]] if len(places) else None) or "",
            "score": float(ranked.scores[0]) if len(places) else 0.0,
            "popularity": float(self.popularity[places].mean()) if len(places) else 0.0,
            "segment": segment(len(history.distinct)),
            "length": len(history),
            "cold_start": ranked.cold,
        }

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """(rows, dimension) float32."""
        users = [str(user) if isinstance(user, str) else None for user in examples["user_id"]]
        return self.vectors(self.histories_in(examples), users)


def _timed(examples: pd.DataFrame) -> pd.DataFrame:
    """With times and events for histories that only name products: in order, a view each."""
    absent: dict[str, Any] = {}
    if "history_times" not in examples:
        absent["history_times"] = [np.arange(len(history), dtype=float) for history in examples["history"]]
    if "history_events" not in examples:
        absent["history_events"] = [["view"] * len(history) for history in examples["history"]]
    return examples.assign(**absent) if absent else examples


def lists_of(answers: Sequence[Ranked], k: int) -> np.ndarray:
    """(rows, k) int64 places, -1 where a list is shorter."""
    lists = np.full((len(answers), k), -1, dtype=np.int64)
    for row, ranked in enumerate(answers):
        lists[row, : len(ranked.places)] = ranked.places[:k]
    return lists


def categories_of(shelf: Shelf) -> np.ndarray:
    """(products,) int64 codes of the categories; -1: unknown."""
    codes: dict[str, int] = {}
    found = [codes.setdefault(name, len(codes)) if name else -1 for name in cast(list[str | None], shelf.categories)]
    return np.array(found, dtype=np.int64)
