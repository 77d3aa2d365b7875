"""Untrained intent classifiers of a given shape: the speed of a service depends on shape, not on what was learnt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vitrina.artifacts import staged_folder, write_json, write_manifest

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

    layers, width = shape
    labels = [f"intent_number_{i:03d}" for i in range(intents)]
    torch.manual_seed(seed)
    encoder = {
        "model_type": "bert",
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 12 if width == 384 else width // 64,
        "intermediate_size": 4 * width,
    }
    config = IntentClassifierConfig(encoder=encoder, id2label=dict(enumerate(labels)))
    with staged_folder(folder) as staging:
        IntentClassifier(config).save_pretrained(staging)
        write_tokenizer(staging / "tokenizer.json", texts)
        write_json(staging / "labels.json", _labels(labels))
        to_onnx(export_inputs(staging), staging / FP32)
        quantize(staging / FP32, staging / INT8)
        write_manifest(staging, family="intent_classifier", seed=seed)
    return folder


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
