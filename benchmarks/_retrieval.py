"""Systems that rank products for a query, each as a matrix of scores, and how their rankings are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.contracts.products import Product
from vitrina.evaluation import ranking
from vitrina.families.product_embedder.features import text_of
from vitrina.families.product_embedder.serving import EmbedderPredictor
from vitrina.search.fusion import fused
from vitrina.search.lexical import Lexicon, bm25, postings

DEPTH = 10
RANKED = 100
BASELINES = ("bm25", "char_tfidf", "minilm")
WEIGHTS = [round(0.1 * step, 1) for step in range(1, 10)]


@dataclass(frozen=True)
class Task:
    """Queries and the products they are asked of; every system reads `text_of` both.

    Attributes:
        relevant: for each query the numbers of the products that answer it.
        unjudged: for each query those of which that is not known: no system is asked about them.
    """

    name: str
    corpus: Sequence[Product]
    queries: Sequence[Product]
    relevant: Sequence[frozenset[int]]
    unjudged: Sequence[frozenset[int]]

    @property
    def texts(self) -> list[str]:
        return [text_of(product) for product in self.corpus]

    @property
    def asked(self) -> list[str]:
        return [text_of(query) for query in self.queries]


def word_bm25(texts: Sequence[str], asked: Sequence[str], k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """BM25 over whole words (Robertson and Zaragoza, 2009), (queries, texts)."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(token_pattern=r"\w+")
    counts = vectorizer.fit_transform(texts).tocoo().astype(float)
    rows = counts.shape[0]
    frequency = np.bincount(counts.col, minlength=counts.shape[1])
    lengths = np.bincount(counts.row, weights=counts.data, minlength=rows)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    counts.data = counts.data * (k1 + 1) / (counts.data + norm[counts.row])
    counts.data *= np.log1p((rows - frequency + 0.5) / (frequency + 0.5))[counts.col]
    return (vectorizer.transform(asked) @ counts.tocsr().T).toarray()


def char_tfidf(texts: Sequence[str], asked: Sequence[str]) -> np.ndarray:
    """Cosine of character 3- to 5-grams within words, (queries, texts)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    table = vectorizer.fit_transform(texts)
    return (vectorizer.transform(asked) @ table.T).toarray()


def minilm(texts: Sequence[str], asked: Sequence[str]) -> np.ndarray:
    """Cosine of the mean-pooled vectors of the untrained encoder, (queries, texts)."""
    vectors = _encoded([*texts, *asked])
    return vectors[len(texts) :] @ vectors[: len(texts)].T


def _encoded(texts: Sequence[str], batch: int = 64) -> np.ndarray:
    import torch

    from vitrina.text.encoders import DEFAULT_ENCODER, load_encoder, load_tokenizer

    encoder, tokenizer = load_encoder(DEFAULT_ENCODER).eval(), load_tokenizer(DEFAULT_ENCODER)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            tokens = tokenizer([texts[i] for i in rows], truncation=True, padding=True, return_tensors="pt")
            mask = tokens["attention_mask"].unsqueeze(-1)
            hidden = encoder(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return vectors


def lexical(texts: Sequence[str], asked: Sequence[str]) -> np.ndarray:
    """The lexical side of the catalogue index: BM25 over words, word pairs and character n-grams, (queries, texts)."""
    lexicon = Lexicon.of([postings(texts)], len(texts))
    return np.stack([bm25(text, [lexicon])[0] for text in asked])


def hybrid(cosines: np.ndarray, words: np.ndarray, weight: float) -> np.ndarray:
    """The fusion that the index serves, over all products instead of the best of either side."""
    return fused(cosines, words, words.max(axis=1, keepdims=True), weight)


def embedded(task: Task, predictor: EmbedderPredictor) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of the queries and of the products, at full length."""
    return predictor.embed_products(task.queries), predictor.embed_products(task.corpus)


def quality(scores: np.ndarray, task: Task) -> dict[str, np.ndarray]:
    """nDCG@10, Recall@10 and reciprocal rank (of the first 100) of every query."""
    scores = np.array(scores, dtype=np.float64)
    for row, unjudged in zip(scores, task.unjudged, strict=True):
        row[list(unjudged)] = -np.inf
    found = ranking.hits(ranking.top(scores, RANKED), task.relevant)
    counts = [len(relevant) for relevant in task.relevant]
    return {
        "ndcg_at_10": ranking.ndcg(found, counts, DEPTH),
        "recall_at_10": ranking.recall(found, counts, DEPTH),
        "mrr": ranking.reciprocal_rank(found),
    }


def best_weight(tasks: Sequence[Task], predictor: EmbedderPredictor) -> float:
    """The weight of the vectors with the best mean nDCG@10 over tasks, which must not be reported ones."""
    totals = np.zeros(len(WEIGHTS))
    for task in tasks:
        asked, vectors = embedded(task, predictor)
        words = lexical(task.texts, task.asked)
        for i, weight in enumerate(WEIGHTS):
            totals[i] += quality(hybrid(asked @ vectors.T, words, weight), task)["ndcg_at_10"].mean()
    return WEIGHTS[int(totals.argmax())]


def difference_interval(better: np.ndarray, worse: np.ndarray, samples: int = 2000) -> tuple[float, float]:
    """95% interval of the mean difference of the same queries' scores, in points (paired bootstrap)."""
    difference = 100 * (better - worse)
    drawn = np.random.default_rng(7).integers(0, len(difference), (samples, len(difference)))
    low, high = np.quantile(difference[drawn].mean(1), [0.025, 0.975])
    return float(low), float(high)
