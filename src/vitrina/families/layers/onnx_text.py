"""An exported text model: tokenizers, ONNX Runtime and NumPy; neither torch nor transformers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitrina.errors import ArtifactError
from vitrina.settings import load_settings
from vitrina.text.ngrams import NgramHasher, padded

WEIGHTS = ("model.int8.onnx", "model.onnx")
CHUNK = 64
"""Texts run together by the offline paths."""

PADDING = 12
"""Padded tokens that cost as much as one more run of the model (measured for student and MiniLM: best of 4 to 16)."""

Floats = Mapping[str, np.ndarray]


class OnnxText:
    """A session with its tokenizer. Thread-safe; every call may hold any number of texts.

    Inputs of the graph: `input_ids`, `attention_mask` int64 (batch, tokens); with a `hasher` also `ngram_ids` int64
    (batch, ngrams); and whatever else the caller gives per row.
    """

    def __init__(self, session: Any, tokenizer: Any, hasher: NgramHasher | None = None) -> None:
        self.session = session
        self._tokenizer = tokenizer
        self._hasher = hasher

    def outputs(self, texts: Sequence[Any], names: Sequence[str], extra: Floats | None = None) -> list[np.ndarray]:
        """The named outputs for `texts`, in order; texts of similar length run together.

        Args:
            texts: strings, or (string, string) pairs for a cross-encoder.
            extra: input name → one row per text.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        rows = [encoding.ids for encoding in encodings]
        types = [encoding.type_ids for encoding in encodings] if self._is_paired(texts) else None
        ngrams = None if self._hasher is None else [self._hasher(_joined(text)) for text in texts]
        groups = _by_length([len(row) for row in rows])
        results = [self._run(group, names, rows, types, ngrams, extra or {}) for group in groups]
        if len(groups) == 1 and groups[0] == list(range(len(rows))):
            return results[0]
        order = np.argsort(np.concatenate([np.asarray(group, dtype=np.int64) for group in groups]))
        return [np.concatenate(parts)[order] for parts in zip(*results, strict=True)]

    def chunked(self, texts: Sequence[Any], names: Sequence[str], extra: Floats | None = None) -> list[np.ndarray]:
        """`outputs`, at most `CHUNK` texts at a time: for long tables."""
        parts = []
        for start in range(0, max(len(texts), 1), CHUNK):
            piece = slice(start, start + CHUNK)
            parts.append(self.outputs(texts[piece], names, {k: v[piece] for k, v in (extra or {}).items()}))
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def tokens(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """`input_ids` and `attention_mask` of `texts`, padded to the longest: int64 (texts, tokens)."""
        return padded_tokens([encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))])

    def _is_paired(self, texts: Sequence[Any]) -> bool:
        return bool(texts) and not isinstance(texts[0], str)

    def _run(
        self,
        group: list[int],
        names: Sequence[str],
        rows: list[list[int]],
        types: list[list[int]] | None,
        ngrams: list[list[int]] | None,
        extra: Floats,
    ) -> list[np.ndarray]:
        feed = padded_tokens([rows[i] for i in group])
        if types is not None:
            feed["token_type_ids"] = padded([types[i] for i in group])
        if ngrams is not None:
            feed["ngram_ids"] = padded([ngrams[i] for i in group])
        feed |= {name: values[group] for name, values in extra.items()}
        return self.session.run(list(names), feed)


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else " ".join(text)


def _by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of similar length: none is padded by more than `PADDING` tokens when a longer row joins."""
    groups: list[list[int]] = [[]]
    width = 0
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if (lengths[row] - width) * len(groups[-1]) > PADDING:
            groups.append([])
        groups[-1].append(row)
        width = lengths[row]
    return groups if len(groups) > 1 else [list(range(len(lengths)))]


def padded_tokens(rows: Sequence[list[int]]) -> dict[str, np.ndarray]:
    """`input_ids` and `attention_mask`, int64 (rows, longest); masked positions hold 0."""
    width = max((len(row) for row in rows), default=3)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def load_tokenizer(folder: Path, max_length: int) -> Any:
    """The `tokenizer.json` of a model folder, truncating at `max_length` tokens.

    Raises:
        ArtifactError: when it is missing or cannot be read.
    """
    # Texts of one batch are few and short: worker threads cost more than they give, and compete with the model.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises a bare Exception
        raise ArtifactError(f"{folder / 'tokenizer.json'} cannot be read: {error}.") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def load_session(folder: Path, weights: str | None = None) -> Any:
    """The ONNX session of a model folder; `weights` names the file (default: int8 where there is one).

    Raises:
        ArtifactError: when the file is missing or cannot be read.
    """
    import onnxruntime

    names = [weights] if weights else list(WEIGHTS)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise ArtifactError(f"{folder} has no {' or '.join(names)}: it was not exported.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = load_settings().threads or 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its error types share no public base
        raise ArtifactError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(logits / temperature) over the last axis, float64 so that a row sums to 1."""
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(-1, keepdims=True)
    scaled /= temperature
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(-1, keepdims=True)
    return scaled
