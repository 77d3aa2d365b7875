"""What a graph recommender is trained from: the graph, the words of the products, and first vectors of the nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import svds

from vitrina.contracts.products import Product
from vitrina.families.graph_recommender.configuration import Options
from vitrina.families.graph_recommender.graph import (
    Graph,
    build_graph,
    normalised_choices,
    similar_products,
)
from vitrina.families.layers.products import product_text, products_of
from vitrina.recommendation.histories import Histories

WORDS = 30_000
RIDGE = 10.0
VANISHING = 1e-4
SMALLEST_SPREAD = 0.01
NOISE = 0.05


def graph_of(histories: Histories, products: pd.DataFrame, options: Options) -> Graph:
    """The graph of the training events and what the catalogue says; `products` in the order of `histories.products`."""
    shape = (len(histories.users), len(histories.products))
    liked = histories.matrix()
    strengths = sparse.csr_matrix((histories.weights, (histories.user_of, histories.items)), shape=shape)
    strengths = strengths.multiply(liked).tocsr().astype(np.float32)
    links = similar_products(liked, options.links) if options.links else None
    if links is not None:
        links.data = np.ones_like(links.data)
    return build_graph(strengths, attribute_table(products_of(products), options.attributes), links)


def attribute_table(products: Sequence[Product], names: Sequence[str]) -> sparse.csr_matrix:
    """(products, attributes) float32: 1 where a product has an attribute that at least one other product has, too."""
    pairs = [
        (row, f"{name}={value.casefold()}")
        for row, product in enumerate(products)
        for name in names
        if (value := _value(product, name))
    ]
    codes: dict[str, int] = {}
    places = np.array([codes.setdefault(name, len(codes)) for _, name in pairs], dtype=int)
    rows = np.array([pair[0] for pair in pairs], dtype=int)
    table = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, places)), shape=(len(products), len(codes)))
    return table[:, np.asarray(table.getnnz(axis=0) > 1)]


def _value(product: Product, name: str) -> str | None:
    if name in ("category", "brand"):
        return getattr(product, name)
    return (product.attributes or {}).get(name)


def word_vectors(products: Sequence[Product], width: int) -> np.ndarray | None:
    """(products, width) float32: latent semantics of their words (Deerwester et al., 1990); None without words to use.

    Each number has mean 0 and variance 1 over the products, unless it hardly varies.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [product_text(product, category=True) for product in products]
    try:
        table = TfidfVectorizer(min_df=2, max_features=WORDS, sublinear_tf=True, dtype=np.float32).fit_transform(texts)
    except ValueError:  # no word stands in two products
        return None
    if min(table.shape) <= width:
        return None
    left, values, _ = svds(table, k=width, random_state=0)
    vectors = left * values
    vectors -= vectors.mean(0)
    spread = vectors.std(0)
    return (vectors / np.maximum(spread, SMALLEST_SPREAD * spread.max())).astype(np.float32)


def spectral_vectors(histories: Histories, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Singular vectors of the normalised graph, (users, width) and (products, width), strongest first; mean square 1.

    They are the low frequencies of the graph, to which LightGCN's propagation converges (Shen et al., 2021). A graph
    with fewer has zeros at the end.
    """
    normal = normalised_choices(histories.matrix())
    count = min(width, min(normal.shape) - 1)
    left, values, right = svds(normal, k=count, random_state=0)
    real = values[::-1] > VANISHING
    sides = []
    for vectors in (left[:, ::-1], right[::-1].T):
        side = np.zeros((len(vectors), width), dtype=np.float32)
        side[:, :count] = vectors * real * np.sqrt(len(vectors))
        sides.append(side)
    return sides[0], sides[1]


def first_vectors(
    graph: Graph, histories: Histories, words: np.ndarray | None, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Vectors of all nodes (nodes, width), and the map (content, width) from words to what they say of a product.

    The map is a ridge regression of the spectral vectors on the words of the products that somebody chose: a product
    nobody chose yet starts where its words point. Attributes start as the mean of their products.
    """
    users, products = spectral_vectors(histories, width)
    mapping = None
    if words is not None:
        known = graph.degrees[graph.product_nodes] > 0
        gram = words[known].T @ words[known] + RIDGE * np.eye(words.shape[1], dtype=np.float32)
        mapping = np.linalg.solve(gram, words[known].T @ products[known]).astype(np.float32)
    described = _of_attributes(graph, products)
    own = products if mapping is None or words is None else products - words @ mapping
    if mapping is not None and words is not None:  # who is unknown is what the words say
        strangers = np.asarray(histories.matrix().getnnz(axis=0) == 0)
        own[strangers] = 0
    vectors = np.concatenate([users, own, described])
    return vectors + random_vectors(graph, width, seed), mapping  # no vector is zero: zero has no direction


def _of_attributes(graph: Graph, products: np.ndarray) -> np.ndarray:
    first = graph.users + graph.products
    table = sparse.csr_matrix(
        (np.ones(len(graph.neighbours), np.float32), graph.neighbours, graph.offsets), shape=(graph.nodes, graph.nodes)
    )[first:, graph.users : first]
    return (table @ products / np.maximum(table.getnnz(axis=1), 1)[:, None]).astype(np.float32)


def random_vectors(graph: Graph, width: int, seed: int) -> np.ndarray:
    """(nodes, width) float32 noise."""
    return np.random.default_rng(seed).normal(0, NOISE, (graph.nodes, width)).astype(np.float32)
