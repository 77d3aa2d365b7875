"""Which features a description mentions, learned from pairs of features and descriptions.

For every slot whose values are worded, a softmax over its values and "absent" reads the runs of one to three words of
a description (multinomial logistic regression). Jointly fitted weights tell what a phrase says from what merely goes
with it: dear places are often well rated, but only "£30" says the price. A phrase speaks for the slot that it tells
most of: people write "kid friendly" of dear places, yet those words say nothing of the price. A value is said when it
is the most probable one, likely enough, and the phrases of the text speak for it: what is usual anyway is not taken for
said. Copied slots and values that training has not seen are mentioned exactly when they stand there word for word.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrina.families.product_describer.slots import Schema, Slot, copied, placeholder, stands_in

LONGEST = 3
ABSENT = ""
LIKELY = 0.6
EVIDENCE = 2.0
"""How much the phrases of a text must add to a value's logit: a factor of e² in the odds."""
ENOUGH = 30
OWN = 0.8
"""A phrase speaks for the slots it tells this much of, relative to the one it tells most of."""
EVIDENCE_FILE = "evidence.safetensors"
TOKEN = re.compile(r"<copy:[^>]+>|\d+(?:[.,]\d+)*|[^\W\d_]+|[£$€%!]")


@dataclass(frozen=True)
class Check:
    """Names of the slots that were given but are not said, and of those that are said but were not given so."""

    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        return len(self.missing) + len(self.invented)


@dataclass(frozen=True)
class Evidence:
    """What phrases say of the worded slots.

    Attributes:
        phrases: the phrases, a row of `weights` each.
        values: slot → its values, `ABSENT` among them, a column of `weights` each, slot after slot.
        weights: (phrases, all values) float32; offsets: (all values,) float32.
    """

    phrases: list[str]
    values: dict[str, list[str]]
    weights: np.ndarray
    offsets: np.ndarray


def words(text: str) -> list[str]:
    """The words of a text in lower case; a placeholder is one."""
    return TOKEN.findall(text.lower())


def phrases(text: str) -> list[str]:
    """The distinct runs of one to `LONGEST` words of a text."""
    return list(dict.fromkeys(_runs(["<s>", *words(text), "</s>"])))


def _runs(tokens: Sequence[str]) -> list[str]:
    return [" ".join(tokens[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(tokens) - n + 1)]


def learn_evidence(schema: Schema, rows: Sequence[Mapping[str, str]], texts: Sequence[str]) -> Evidence:
    """Fit one classifier a worded slot; `texts` are without the copied values.

    Args:
        rows: the features of each text; values that are copied or rare in training count as absent ones.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=phrases, binary=True, min_df=max(3, min(ENOUGH, len(texts) // 200)))
    counts = vectorizer.fit_transform(texts)
    known = [str(each) for each in vectorizer.get_feature_names_out()]
    labels = {
        name: [value if (value := row.get(name, ABSENT)) in slot.values else ABSENT for row in rows]
        for name, slot in schema.items()
        if slot.kind == "worded"
    }
    labels = {name: each for name, each in labels.items() if len(set(each)) > 1}
    values: dict[str, list[str]] = {}
    weights, offsets = [np.zeros((counts.shape[1], 0))], [np.zeros(0)]
    for name, own in _owned(counts, known, labels).items():
        values[name], weight, offset = _fit(counts[:, own], labels[name])
        weights.append(np.zeros((counts.shape[1], weight.shape[1])))
        weights[-1][own] = weight
        offsets.append(offset)
    return Evidence(
        known,
        values,
        np.concatenate(weights, 1).astype(np.float32),
        np.concatenate(offsets).astype(np.float32),
    )


def _owned(counts: Any, names: Sequence[str], labels: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """The phrases that speak for each slot, as columns of `counts`; slots that none speaks for are left out.

    A phrase tells of a slot what the most telling run of its words tells of it.
    """
    if not labels:
        return {}
    told = np.stack([_told(counts, each) for each in labels.values()], axis=1)
    place = {phrase: i for i, phrase in enumerate(names)}
    within = [[place[run] for run in _runs(phrase.split(" ")) if run in place] for phrase in names]
    told = np.stack([told[parts].max(0) for parts in within])
    own = told >= OWN * told.max(1, keepdims=True)
    return {name: np.flatnonzero(own[:, i]) for i, name in enumerate(labels) if own[:, i].any()}


def _told(counts: Any, labels: Sequence[str]) -> np.ndarray:
    """What each phrase tells of the one value it tells most of, (phrases,): their mutual information in nats.

    Of one value, not of all: whatever goes with a slot of many values tells a little of each.
    """
    from scipy.sparse import csr_matrix
    from scipy.special import rel_entr

    rows = len(labels)
    _, of = np.unique(np.array(labels, dtype=str), return_inverse=True)
    has = csr_matrix((np.ones(rows), (np.arange(rows), of)))
    both = (counts.T @ has).toarray() / rows  # how often phrase and value meet, (phrases, values)
    phrase, value = np.asarray(counts.mean(0)).reshape(-1, 1), np.bincount(of)[None, :] / rows
    told = rel_entr(both, phrase * value) + rel_entr((phrase - both).clip(0), phrase * (1 - value))
    told += rel_entr((value - both).clip(0), (1 - phrase) * value)
    told += rel_entr((1 - phrase - value + both).clip(0), (1 - phrase) * (1 - value))
    return told.max(1)


def _fit(counts: Any, labels: Sequence[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: the last digits of a weight decide nothing
        model = LogisticRegression(C=0.3, max_iter=60, tol=1e-3).fit(counts, labels)
    weight, offset = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:  # one column: the second class against the first
        weight, offset = np.concatenate([-weight, weight], 1) / 2, np.array([-offset[0], offset[0]]) / 2
    return [str(each) for each in model.classes_], weight, offset


class Checker:
    """Says what a description leaves out or makes up."""

    def __init__(self, schema: Schema, evidence: Evidence) -> None:
        self.schema, self.evidence = schema, evidence
        self._row = {phrase: row for row, phrase in enumerate(evidence.phrases)}
        self._columns, start = {}, 0
        for name, values in evidence.values.items():
            self._columns[name] = slice(start, start + len(values))
            start += len(values)

    def check(self, text: str, slots: Mapping[str, str]) -> Check:
        """Compare a description, as people read it, with the features it was written from."""
        said = self.said(self._without_copied(text, slots))
        missing = tuple(name for name, value in slots.items() if not self._says(name, value, text, said))
        invented = tuple(
            name
            for name, value in said.items()
            if value != slots.get(name) and (name not in slots or slots[name] in self.schema[name].values)
        )
        return Check(missing, invented)

    def said(self, text: str) -> dict[str, str]:
        """The value that a text, copied values left out, states of each worded slot that it states anything of."""
        rows = [self._row[phrase] for phrase in phrases(text) if phrase in self._row]
        added = self.evidence.weights[rows].sum(0)
        found = {}
        for name, columns in self._columns.items():
            logits = added[columns] + self.evidence.offsets[columns]
            best = int(logits.argmax())
            share = 1 / np.exp(logits - logits[best]).sum()
            value = self.evidence.values[name][best]
            if value != ABSENT and share >= LIKELY and added[columns][best] - added[columns].mean() >= EVIDENCE:
                found[name] = value
        return found

    def _says(self, name: str, value: str, text: str, said: Mapping[str, str]) -> bool:
        slot = self.schema.get(name, Slot("copied"))
        if slot.kind in ("context", "constant"):
            return True
        if name in self._columns and value in slot.values:
            return said.get(name) == value
        return stands_in(value, text)

    def _without_copied(self, text: str, slots: Mapping[str, str]) -> str:
        """Names of one's own may hold any word: a pub called The Cricketers says nothing about cricket."""
        for name, value in copied(self.schema, slots).items():
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", placeholder(name), text, flags=re.I)
        return text
