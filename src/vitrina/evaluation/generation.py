"""Quality of generated texts against several references, and how varied they are.

BLEU (Papineni et al., 2002) and chrF (Popović, 2015) are sacrebleu's; ROUGE-L is the F-measure of the longest common
run of words (Lin, 2004), the best over the references.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

WORD = re.compile(r"\w+|[^\w\s]")
REPEATED = 4


def corpus_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """`bleu`, `chrf` and `rouge_l` of texts with any number of references each, 0–1."""
    from sacrebleu.metrics import BLEU, CHRF

    streams = _streams(references)
    return {
        "bleu": BLEU().corpus_score(list(texts), streams).score / 100,
        "chrf": CHRF().corpus_score(list(texts), streams).score / 100,
        "rouge_l": float(np.mean([rouge_l(text, refs) for text, refs in zip(texts, references, strict=True)])),
    }


def _streams(references: Sequence[Sequence[str]]) -> Any:
    """sacrebleu's layout: the first reference of every text, then the second, …; None where there is none."""
    most = max(map(len, references))
    return [[refs[i] if i < len(refs) else None for refs in references] for i in range(most)]


def sentence_bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Smoothed BLEU of each text alone, 0–1: what two models are compared by, row by row."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(text, list(refs)).score for text, refs in zip(texts, references, strict=True)]
    return np.array(scores) / 100


def bootstrap_bleu(
    texts: Sequence[str], references: Sequence[Sequence[str]], *, samples: int = 1000, seed: int = 7
) -> tuple[float, float]:
    """95% interval of the corpus BLEU, 0–1, by resampling texts; counts are summed, not texts scored again."""
    from sacrebleu.metrics import BLEU

    metric = BLEU()
    statistics = np.array(metric._extract_corpus_statistics(list(texts), _streams(references)))
    rng = np.random.default_rng(seed)
    drawn = statistics[rng.integers(0, len(texts), (samples, len(texts)))].sum(1)
    scores = [metric._compute_score_from_stats(list(map(int, row))).score / 100 for row in drawn]
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def rouge_l(text: str, references: Sequence[str]) -> float:
    """The best F-measure of the longest common subsequence of words over the references, 0–1."""
    from rapidfuzz.distance import LCSseq

    own = WORD.findall(text.lower())
    best = 0.0
    for reference in references:
        other = WORD.findall(reference.lower())
        common = LCSseq.similarity(own, other)
        if common:
            best = max(best, 2 * common / (len(own) + len(other)))
    return best


def distinct(texts: Sequence[str], size: int) -> float:
    """Distinct runs of `size` words as a share of all runs (Li et al., 2016); 0 where there is none."""
    runs = Counter(run for text in texts for run in _runs(text, size))
    return len(runs) / runs.total() if runs else 0.0


def self_repetition(texts: Sequence[str]) -> float:
    """Share of the texts that say a run of four words twice."""
    return float(np.mean([max(Counter(_runs(text, REPEATED)).values(), default=0) > 1 for text in texts]))


def _runs(text: str, size: int) -> list[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
