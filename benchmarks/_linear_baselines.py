"""Strong plain baselines for texts: TF-IDF of words and characters with linear models, and frozen MiniLM with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SVM_STRENGTHS = (0.3, 1.0)
LOGISTIC_STRENGTHS = (10.0, 100.0)
RIDGE_STRENGTHS = (1.0, 3.0, 10.0)
BATCH = 64
MAX_LENGTH = 128


@dataclass(frozen=True)
class Features:
    """Feature rows of the three parts, as a linear model takes them."""

    train: Any
    validation: Any
    test: Any


def tfidf(train: Sequence[str], validation: Sequence[str], test: Sequence[str]) -> Features:
    """Words and word pairs, and characters 2–5 within words, each with sublinear TF-IDF."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    fitted = hstack([words.fit_transform(train), letters.fit_transform(train)]).tocsr()
    others = (hstack([words.transform(texts), letters.transform(texts)]).tocsr() for texts in (validation, test))
    return Features(fitted, *others)


def frozen(train: Sequence[str], validation: Sequence[str], test: Sequence[str]) -> Features:
    """Mean-pooled, L2-normalised MiniLM embeddings, without any training."""
    return Features(*(_embedded(list(texts)) for texts in (train, validation, test)))


def _embedded(texts: list[str]) -> np.ndarray:
    import torch

    from vitrina.text.encoders import DEFAULT_ENCODER, load_encoder, load_tokenizer

    torch.set_num_threads(1)
    encoder, tokenizer = load_encoder(DEFAULT_ENCODER).eval(), load_tokenizer(DEFAULT_ENCODER)
    order = np.argsort([len(text) for text in texts])
    vectors = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [texts[row] for row in rows], truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
            )
            hidden = encoder(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1)
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return vectors


def labels(features: Features, train: np.ndarray, validation: np.ndarray, *, svm: bool) -> np.ndarray:
    """Labels of the test rows: linear SVM or logistic regression, its C chosen by validation accuracy.

    Args:
        train, validation: true labels, None where unknown; those rows are left out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    known, chosen = (np.array([value is not None for value in part]) for part in (train, validation))
    models = [
        (LinearSVC(C=strength) if svm else LogisticRegression(C=strength, max_iter=200, tol=1e-3)).fit(
            features.train[known], train[known].astype(str)
        )
        for strength in (SVM_STRENGTHS if svm else LOGISTIC_STRENGTHS)
    ]
    right = [(model.predict(features.validation[chosen]) == validation[chosen]).mean() for model in models]
    return models[int(np.argmax(right))].predict(features.test)


def recommendation(features: Features, train: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """Scores of the test rows by logistic regression, its C chosen by validation AUC."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    models = [LogisticRegression(C=c, max_iter=500).fit(features.train, train) for c in (1.0, 3.0, 10.0)]
    quality = [roc_auc_score(validation, model.decision_function(features.validation)) for model in models]
    return models[int(np.argmax(quality))].decision_function(features.test)


def stars(features: Features, train: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """Ratings of the test rows by ridge regression within 1–5, its alpha chosen by validation error."""
    from sklearn.linear_model import Ridge

    models = [Ridge(alpha=alpha).fit(features.train, train) for alpha in RIDGE_STRENGTHS]
    error = [((model.predict(features.validation).clip(1, 5) - validation) ** 2).mean() for model in models]
    return models[int(np.argmin(error))].predict(features.test).clip(1, 5)
