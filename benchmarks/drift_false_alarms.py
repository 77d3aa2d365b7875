"""How often the drift decision alarms without drift (A/A), and how often it finds stated shifts.

Every repetition draws a reference of 3,000 and a window of 200, 1,000 or 5,000 disjoint rows from CLINC150 messages
that the classifier (logistic regression on MiniLM embeddings) was not trained on, so both have one distribution.
CLINC150 is English; the language column is simulated (30% Spanish). Needs VITRINA_DATA.

python benchmarks/drift_false_alarms.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _results import figure, published, report
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.data.sources import clinc150
from vitrina.monitoring.statistics import compare
from vitrina.settings import disable_telemetry
from vitrina.text.encoders import DEFAULT_ENCODER, load_encoder, load_tokenizer
from vitrina.training.spec import Monitored

WINDOWS = (200, 1000, 5000)
REFERENCE, TRAINED, POOL = 3000, 5000, 9000
MONITORED = Monitored(categorical=("label", "language"), numerical=("confidence", "length"), text="text")
POLITE = "hey there, i was wondering whether you could maybe help me out: "


@dataclass
class Messages:
    """Logged predictions with their embeddings, row by row; `domain` is known to the benchmark only."""

    frame: pd.DataFrame
    embeddings: np.ndarray

    def take(self, rows: np.ndarray) -> Messages:
        return Messages(self.frame.iloc[rows], self.embeddings[rows])

    def joined(self, other: Messages) -> Messages:
        return Messages(pd.concat([self.frame, other.frame]), np.vstack([self.embeddings, other.embeddings]))


Shift = Callable[[Messages, int, np.random.Generator], Messages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200, help="A/A repetitions per window size")
    parser.add_argument("--shifted", type=int, default=30, help="repetitions per shift and window size")
    options = parser.parse_args()
    disable_telemetry()
    started = time.perf_counter()
    pool, shifts = prepare()
    rng = np.random.default_rng(7)
    figures = [false_alarms(pool, size, options.repetitions, rng) for size in WINDOWS]
    for name, shift in shifts.items():
        figures += [power(pool, name, shift, size, options.shifted, rng) for size in WINDOWS]
    report("drift_false_alarms", figures, time.perf_counter() - started)


def prepare() -> tuple[Messages, dict[str, Shift]]:
    """The pool of rows nobody trained on, and the shifts by name."""
    data = published()
    rows = clinc150.read(data / "clinc150").frame
    known = rows[rows["intent"] != OUT_OF_SCOPE].sample(TRAINED + POOL, random_state=7)
    train, rest = known.iloc[:TRAINED], known.iloc[TRAINED:]
    classifier = LogisticRegression(C=20, max_iter=100).fit(embed(train["text"]), train["intent"])
    pool = predict(classifier, rest["text"], rest["domain"])
    some = rest.sample(2000, random_state=7)
    polite = predict(classifier, POLITE + some["text"])
    short = predict(classifier, some["text"].str.split().str[-4:].str.join(" "))
    new = predict(classifier, rows[rows["intent"] == OUT_OF_SCOPE]["text"])
    domain = sorted(set(rest["domain"]))[0]
    return pool, {
        "new wording in 10% of messages": replaced(polite, 0.1),
        "new wording in 30% of messages": replaced(polite, 0.3),
        "30% of messages cut to four words": replaced(short, 0.3),
        "15% of messages about something new": replaced(new, 0.15),
        f"mix: domain {domain} from 10% to 25%": replaced(
            pool.take(np.flatnonzero(pool.frame["domain"] == domain)), 0.15 / 0.9
        ),
    }


def embed(texts: Iterable[str]) -> np.ndarray:
    """(texts, 384) float32, L2-normalised mean of MiniLM's last layer."""
    import torch

    tokenizer, encoder = load_tokenizer(DEFAULT_ENCODER), load_encoder(DEFAULT_ENCODER).eval()
    rows = list(texts)
    order = np.argsort([len(text) for text in rows])
    result = np.zeros((len(rows), encoder.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for part in np.array_split(order, max(1, len(rows) // 64)):
            batch = tokenizer(
                [rows[i] for i in part], padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            mask = batch["attention_mask"][..., None]
            mean = (encoder(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            result[part] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return result


def predict(classifier: LogisticRegression, texts: pd.Series, domain: pd.Series | str | None = None) -> Messages:
    """What a service would log for `texts`."""
    embeddings = embed(texts)
    shares = classifier.predict_proba(embeddings)
    columns = {
        "label": classifier.classes_[shares.argmax(1)],
        "language": np.where(np.random.default_rng(len(texts)).random(len(texts)) < 0.3, "es", "en"),
        "confidence": shares.max(1),
        "length": texts.str.len().to_numpy(),
        "domain": None if domain is None else np.asarray(domain),
    }
    return Messages(pd.DataFrame(columns), embeddings)


def replaced(source: Messages, share: float) -> Shift:
    """A shift that replaces a share of the window by random rows of `source`."""

    def shift(window: Messages, size: int, rng: np.random.Generator) -> Messages:
        count = round(share * size)
        return window.take(np.arange(size - count)).joined(source.take(rng.integers(len(source.frame), size=count)))

    return shift


def draw(pool: Messages, size: int, rng: np.random.Generator) -> tuple[Messages, Messages]:
    """A reference and a disjoint window."""
    rows = rng.choice(len(pool.frame), REFERENCE + size, replace=False)
    return pool.take(rows[:REFERENCE]), pool.take(rows[REFERENCE:])


def decides(reference: Messages, window: Messages) -> bool:
    tests = compare(reference.frame, window.frame, MONITORED, embeddings=(reference.embeddings, window.embeddings))
    return any(test.drifted for test in tests)


def false_alarms(pool: Messages, size: int, repetitions: int, rng: np.random.Generator) -> dict:
    """Share of A/A windows on which the whole decision alarms; the baselines see the same windows."""
    alarms = {"vitrina": 0, "evidently_defaults": 0, "evidently_chisquare_label": 0}
    for _ in range(repetitions):
        reference, window = draw(pool, size, rng)
        alarms["vitrina"] += decides(reference, window)
        alarms["evidently_defaults"] += evidently_defaults(reference, window)
        alarms["evidently_chisquare_label"] += evidently_drifted(reference, window, "label", "cat", "chisquare")
    shares = {name: count / repetitions for name, count in alarms.items()}
    interval = binomtest(alarms["vitrina"], repetitions).proportion_ci(method="wilson")
    value = shares.pop("vitrina")
    return figure(f"false alarms, {size} rows", value, "share", "lower", 0.05, interval, **shares)


def power(pool: Messages, name: str, shift: Shift, size: int, repetitions: int, rng: np.random.Generator) -> dict:
    """Share of shifted windows on which the decision alarms."""
    found = 0
    for _ in range(repetitions):
        reference, window = draw(pool, size, rng)
        found += decides(reference, shift(window, size, rng))
    interval = binomtest(found, repetitions).proportion_ci(method="wilson")
    return figure(f"{name}, {size} rows", found / repetitions, "share", "higher", None, interval)


def evidently_defaults(reference: Messages, window: Messages) -> bool:
    """Whether any column drifts by Evidently's default tests, embeddings by its domain classifier."""
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import ModelDriftMethod

    columns = [(name, "cat") for name in MONITORED.categorical] + [(name, "num") for name in MONITORED.numerical]
    if any(evidently_drifted(reference, window, name, kind) for name, kind in columns):
        return True
    current, old = pd.DataFrame(window.embeddings), pd.DataFrame(reference.embeddings)
    return bool(ModelDriftMethod()(current, old)[1])


def evidently_drifted(reference: Messages, window: Messages, column: str, kind: str, test: str | None = None) -> bool:
    from evidently.legacy.calculations.stattests import get_stattest

    old, new = reference.frame[column], window.frame[column]
    return bool(get_stattest(old, new, kind, test)(old, new, kind, None).drifted)


if __name__ == "__main__":
    main()
