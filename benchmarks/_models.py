"""Untrained models of a given shape: the speed of a service depends on its shape, not on what was learnt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.artifacts import staged_folder, write_json, write_manifest

if TYPE_CHECKING:
    from vitrina.contracts.products import Product

STUDENT = (2, 128)
TEACHER = (6, 384)
"""Layers and width; heads are 64 wide for the student and 32 for MiniLM."""

VOCABULARY = 30522


def untrained(
    folder: Path, texts: Iterable[str], shape: tuple[int, int] = STUDENT, intents: int = 150, seed: int = 7
) -> Path:
    """Write a whole model folder with random weights: safetensors, ONNX fp32 and int8, tokenizer, labels, manifest."""
    import torch

    from vitrina.families.intent_classifier.configuration import IntentClassifierConfig
    from vitrina.families.intent_classifier.modeling import IntentClassifier, export_inputs
    from vitrina.packaging.onnx import FP32, INT8, to_onnx
    from vitrina.packaging.quantize import quantize

    labels = [f"intent_number_{i:03d}" for i in range(intents)]
    torch.manual_seed(seed)
    config = IntentClassifierConfig(encoder=_encoder(shape), id2label=dict(enumerate(labels)))
    with staged_folder(folder) as staging:
        IntentClassifier(config).save_pretrained(staging)
        write_tokenizer(staging / "tokenizer.json", texts)
        write_json(staging / "labels.json", _labels(labels))
        to_onnx(export_inputs(staging), staging / FP32)
        quantize(staging / FP32, staging / INT8)
        write_manifest(staging, family="intent_classifier", seed=seed)
    return folder


def untrained_embedder(
    folder: Path, products: Sequence[Product], shape: tuple[int, int] = TEACHER, **settings: Any
) -> Path:
    """Write a whole product embedder's folder with random weights: an encoder of `shape`; `settings` as in a preset.

    One of MiniLM's shape has MiniLM's tokenizer, so that texts are as long as they will be.
    """
    import numpy as np
    import torch
    from safetensors.numpy import save_file

    from vitrina.families.layers.prices import currency_statistics
    from vitrina.families.product_embedder.configuration import Options, ProductEmbedderConfig
    from vitrina.families.product_embedder.modeling import ProductEmbedder, export_inputs
    from vitrina.families.product_embedder.serving import CENTRES
    from vitrina.families.product_embedder.views import settings_of
    from vitrina.packaging.onnx import FP32, INT8, to_onnx
    from vitrina.packaging.quantize import quantize
    from vitrina.text.encoders import load_tokenizer

    torch.manual_seed(7)
    options = Options(**settings)
    labels = sorted({product.category for product in products if product.category})
    centres = np.random.default_rng(7).standard_normal((len(labels), options.dimensions[0])).astype(np.float32)
    with staged_folder(folder) as staging:
        parts = {name: getattr(options, name) for name in ("lexical_width", "lexical_buckets", "category_buckets")}
        model = ProductEmbedder(ProductEmbedderConfig(_encoder(shape), options.dimensions, **parts))
        model.start()
        model.save_pretrained(staging)
        if shape == TEACHER:
            load_tokenizer(options.encoder).save_pretrained(staging)
        else:
            write_tokenizer(staging / "tokenizer.json", [product.title for product in products])
        facts = settings_of(options, currency_statistics(products), labels)
        write_json(staging / "labels.json", {**facts, "temperature": 1.0})
        save_file({"centres": centres / np.linalg.norm(centres, axis=1, keepdims=True)}, staging / CENTRES)
        to_onnx(export_inputs(staging), staging / FP32)
        quantize(staging / FP32, staging / INT8)
        write_manifest(staging, family="product_embedder", seed=7)
    return folder


def _encoder(shape: tuple[int, int]) -> dict[str, Any]:
    layers, width = shape
    return {
        "model_type": "bert",
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 12 if width == 384 else width // 64,
        "intermediate_size": 4 * width,
    }


def _labels(labels: list[str]) -> dict[str, object]:
    return {
        "labels": labels,
        "temperature": 1.0,
        "threshold": 0.5,
        "oos_threshold": 0.0,
        "max_length": 64,
        "domains": {},
    }


def write_tokenizer(path: Path, texts: Iterable[str]) -> None:
    """Train a lower-casing WordPiece tokenizer as BERT's and write it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path))
