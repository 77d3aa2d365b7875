"""Which features a description mentions, learned from pairs of features and descriptions.

For every slot whose values are worded, a softmax over its values and "absent" reads the runs of one to three words of
a description (multinomial logistic regression). Jointly fitted weights tell what a phrase says from what merely goes
with it: dear places are often well rated, but only "£30" says the price. A value is said when it is the most probable
one, likely enough, and the phrases of the text speak for it: what is usual anyway is not taken for said. Copied slots
and values that training has not seen are mentioned exactly when they stand there word for word.
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
    tokens = ["<s>", *words(text), "</s>"]
    runs = (" ".join(tokens[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(tokens) - n + 1))
    return list(dict.fromkeys(runs))


def learn_evidence(schema: Schema, rows: Sequence[Mapping[str, str]], texts: Sequence[str]) -> Evidence:
    """Fit one classifier a worded slot; `texts` are without the copied values.

    Args:
        rows: the features of each text; values that are copied or rare in training count as absent ones.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=phrases, binary=True, min_df=max(3, min(ENOUGH, len(texts) // 200)))
    counts = vectorizer.fit_transform(texts)
    values: dict[str, list[str]] = {}
    weights, offsets = [np.zeros((counts.shape[1], 0))], [np.zeros(0)]
    for name, slot in schema.items():
        labels = [value if (value := row.get(name, ABSENT)) in slot.values else ABSENT for row in rows]
        if slot.kind == "worded" and len(set(labels)) > 1:
            values[name], weight, offset = _fit(counts, labels)
            weights.append(weight)
            offsets.append(offset)
    return Evidence(
        [str(each) for each in vectorizer.get_feature_names_out()],
        values,
        np.concatenate(weights, 1).astype(np.float32),
        np.concatenate(offsets).astype(np.float32),
    )


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
