"""What the engine trains for an intent classifier, and what serving needs besides the weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import BaseModel
from transformers import AutoConfig, AutoModel, Trainer

from vitrina.artifacts import write_json
from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.errors import UsageError
from vitrina.evaluation import calibration
from vitrina.families.intent_classifier import serving
from vitrina.families.intent_classifier.configuration import IntentClassifierConfig, Options, Student
from vitrina.families.intent_classifier.data import Collator, TokenizedMessages
from vitrina.families.intent_classifier.modeling import OUT_OF_SCOPE_LABEL, IntentClassifier
from vitrina.text.augmentation import altered
from vitrina.text.encoders import load_tokenizer, resolve_encoder
from vitrina.training.spec import TrainingSetup

HEAD_SIZE = 64


class IntentTrainer(Trainer):
    """Label smoothing that knows out-of-scope rows, and distillation where a batch carries the teacher's logits.

    Distillation minimises KL(teacher || student) of distributions softened by a temperature (Hinton et al., 2015), and
    the difference between how similar the two find the texts of a batch (relational distillation, Park et al., 2019).
    """

    student: Student | None = None

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs["labels"]
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        classifier = self.accelerator.unwrap_model(model)
        smoothing = self.args.label_smoothing_factor if model.training else 0.0
        loss = classifier.loss(output.logits, labels, smoothing)
        if model.training and self.student is not None:
            taught = distillation_loss(output.logits, inputs["teacher_logits"], self.student.temperature)
            # Altered copies have no true label of their own: the teacher alone speaks for them.
            weight = torch.where(inputs["copied"], 1.0, self.student.weight)
            loss = (weight * taught).mean() + (1 - self.student.weight) * loss
            loss = loss + self.student.relations * relation_loss(output.embedding, inputs["teacher_embedding"])
        return (loss, output) if return_outputs else loss


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · KL(softmax(teacher / T) || softmax(student / T)) per row; (batch, classes) → (batch,)."""
    target = F.softmax(teacher.float() / temperature, dim=1)
    prediction = F.log_softmax(student / temperature, dim=1)
    return temperature**2 * F.kl_div(prediction, target, reduction="none").sum(1)


def relation_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the cosine similarities within a batch; (batch, width) each, unit rows → scalar."""
    return F.mse_loss(student @ student.T, teacher @ teacher.T)


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    options = cast(Options, options)
    train, validation = (pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation"))
    intents = sorted(set(train["intent"]) - {OUT_OF_SCOPE})
    tokenizer = load_tokenizer(options.encoder)
    model = _model(options, intents, teacher)
    texts, labels = list(train["text"]), _indices(train["intent"], intents)
    extra: dict[str, Any] = {}
    trainer_class: type[Trainer] = IntentTrainer
    if options.student is not None:
        if teacher is None:
            raise UsageError("This preset distils a student: give a teacher (--teacher FOLDER or models:/…).")
        texts, labels, extra = _taught(texts, labels, intents, options.student, teacher, seed)
        trainer_class = type("StudentTrainer", (IntentTrainer,), {"student": options.student})
    held_out = TokenizedMessages(
        list(validation["text"]), _indices(validation["intent"], intents), tokenizer, options.max_length
    )
    return TrainingSetup(
        model=model,
        train_dataset=cast(Any, TokenizedMessages(texts, labels, tokenizer, options.max_length, extra)),
        eval_dataset=cast(Any, held_out),
        collator=Collator(tokenizer),
        compute_metrics=_accuracy,
        processing_class=tokenizer,
        trainer_class=trainer_class,
    )


def _indices(intents: pd.Series, known: list[str]) -> list[int]:
    position = {intent: i for i, intent in enumerate(known)}
    return [position.get(intent, OUT_OF_SCOPE_LABEL) for intent in intents]


def _accuracy(prediction: Any) -> dict[str, float]:
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    inside = prediction.label_ids != OUT_OF_SCOPE_LABEL
    return {"accuracy": float((logits.argmax(1) == prediction.label_ids)[inside].mean())}


def _model(options: Options, intents: list[str], teacher: Path | None) -> IntentClassifier:
    encoder_folder = resolve_encoder(options.encoder)
    encoder = AutoConfig.from_pretrained(encoder_folder)
    if options.encoder_layers > encoder.num_hidden_layers:
        raise UsageError(f"model.encoder_layers: {options.encoder} has only {encoder.num_hidden_layers} layers.")
    encoder.num_hidden_layers = options.encoder_layers or encoder.num_hidden_layers
    if options.student is not None:
        encoder.num_hidden_layers = options.student.layers
        encoder.hidden_size = options.student.width
        encoder.intermediate_size = 4 * options.student.width
        encoder.num_attention_heads = max(1, options.student.width // HEAD_SIZE)
    config = IntentClassifierConfig(
        encoder=encoder.to_dict(),
        dropout=options.dropout,
        lexical_width=options.lexical_width,
        lexical_buckets=options.lexical_buckets,
        outlier_weight=options.outlier_weight,
        id2label=dict(enumerate(intents)),
        label2id={intent: i for i, intent in enumerate(intents)},
    )
    model = IntentClassifier(config)
    if options.student is None:
        model.encoder = AutoModel.from_pretrained(encoder_folder, config=encoder, dtype=torch.float32)
    elif teacher is not None:
        _inherit_words(model, IntentClassifier.from_pretrained(teacher))
    return model


def _inherit_words(student: IntentClassifier, teacher: IntentClassifier) -> None:
    """Start the student's word embeddings from the principal components of the teacher's."""
    words = teacher.encoder.get_input_embeddings().weight.detach()
    target = student.encoder.get_input_embeddings().weight
    if words.shape[0] != target.shape[0]:
        raise UsageError("Teacher and student must share a tokenizer: their vocabularies differ in size.")
    if target.shape[1] > words.shape[1]:
        raise UsageError(f"model.student.width is {target.shape[1]}, wider than the teacher's {words.shape[1]}.")
    centred = words - words.mean(0)
    _, _, components = torch.linalg.svd(centred.T @ centred)
    projected = centred @ components[: target.shape[1]].T
    with torch.no_grad():
        target.copy_(projected * (target.std() / projected.std()))


def _taught(
    texts: list[str], labels: list[int], intents: list[str], student: Student, teacher: Path, seed: int
) -> tuple[list[str], list[int], dict[str, Any]]:
    """The training texts and altered copies of them, each with the teacher's logits and embedding."""
    predictor = serving.load(teacher)
    if predictor.labels != intents:
        raise UsageError(f"The teacher {teacher} knows other intents than the training data.")
    rng = random.Random(seed)
    vocabulary = [word for text in texts for word in text.split()]
    copies = [altered(text, rng, vocabulary) for _ in range(student.copies) for text in texts]
    every = texts + copies
    logits, embeddings = predictor.teach(every)
    extra = {
        "teacher_logits": logits,
        "teacher_embedding": embeddings,
        "copied": np.arange(len(every)) >= len(texts),
    }
    return every, labels * (1 + student.copies), extra


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer and `labels.json` with what validation data decides: temperature and both thresholds."""
    options = cast(Options, options)
    tokenizer = cast(Any, setup.processing_class)
    tokenizer.save_pretrained(folder)
    validation = pd.read_parquet(data / "validation.parquet")
    intents = [setup.model.config.id2label[i] for i in range(setup.model.config.num_labels)]
    logits, scores = _outputs(setup)
    labels = np.array(_indices(validation["intent"], intents))
    inside = labels != OUT_OF_SCOPE_LABEL
    temperature = calibration.fit_temperature(logits[inside], labels[inside])
    probabilities = calibration.softmax(logits[inside] / temperature)
    correct = probabilities.argmax(1) == labels[inside]
    write_json(
        folder / "labels.json",
        {
            "labels": intents,
            "temperature": temperature,
            "threshold": calibration.clarification_threshold(
                probabilities.max(1), correct, target=options.right_when_sure
            ),
            "oos_threshold": calibration.false_alarm_threshold(scores[inside], options.oos_false_alarms),
            "max_length": options.max_length,
            "domains": _domains(data),
        },
    )


def _outputs(setup: TrainingSetup) -> tuple[np.ndarray, np.ndarray]:
    """Logits and out-of-scope scores of the validation rows, in their order."""
    model = setup.model.eval()
    rows = cast(Any, setup.eval_dataset)
    logits, scores = [], []
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            batch = setup.collator([rows[i] for i in range(start, min(start + 64, len(rows)))])
            output = model(batch["input_ids"].to(model.device), batch["attention_mask"].to(model.device))
            logits.append(output.logits.cpu().numpy())
            scores.append(output.oos_score.cpu().numpy())
    return np.concatenate(logits), np.concatenate(scores)


def _domains(data: Path) -> dict[str, str]:
    train = pd.read_parquet(data / "train.parquet")
    if "domain" not in train:
        return {}
    known = train.dropna(subset=["domain"]).drop_duplicates("intent")
    return dict(zip(known["intent"], known["domain"], strict=True))
