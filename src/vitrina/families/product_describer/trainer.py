"""What the engine trains for a product describer, and what serving needs besides the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
from pydantic import BaseModel

from vitrina.artifacts import write_json
from vitrina.errors import DataError, UsageError
from vitrina.families.layers.products import products_of
from vitrina.families.product_describer import controls, modeling
from vitrina.families.product_describer.checker import EVIDENCE_FILE, Checker, Evidence, learn_evidence
from vitrina.families.product_describer.configuration import Options
from vitrina.families.product_describer.data import (
    REFERENCES,
    Collator,
    DescriptionRows,
    seeded,
    shown_controls,
)
from vitrina.families.product_describer.describing import fixed_tokens
from vitrina.families.product_describer.slots import (
    Schema,
    copied,
    delexicalised,
    learn_schema,
    linearised,
    slots_of,
    special_tokens,
)
from vitrina.families.product_describer.tokens import Texts, extend, train_tokenizer
from vitrina.text.encoders import resolve_encoder
from vitrina.training.spec import TrainingSetup


@dataclass
class Prepared:
    """Training descriptions as the model sees them: features by slot, texts with placeholders, control tokens."""

    rows: list[dict[str, str]]
    texts: list[str]
    languages: list[str]
    bands: list[str | None]
    plain: list[str]


@dataclass
class Lessons:
    """What the training rows decide beside the weights: written beside them."""

    schema: Schema
    learnt: dict[str, Any]
    evidence: Evidence


@dataclass(kw_only=True)
class DescriberSetup(TrainingSetup):
    """With what `finish` writes."""

    lessons: Lessons
    texts: Texts


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    options = cast(Options, options)
    if teacher is not None:
        raise UsageError("product_describer learns from no teacher.")
    train, validation = pd.read_parquet(data / "train.parquet"), _exploded(data)
    lessons = _lessons(train, options)
    taught, held = (_prepared(frame, lessons) for frame in (train, validation))
    texts = Texts(_tokenizer(taught, lessons, options))
    if options.faithful:
        taught = _said(taught, Checker(lessons.schema, lessons.evidence))
    rng = seeded(seed)
    sources = [_source(taught, i, lessons, options.control_share, rng) for i in range(len(taught.rows))]
    plain = [_source(held, i, lessons, 0.0, rng) for i in range(len(validation))]
    model = modeling.build(options, texts.tokenizer.get_vocab_size(), texts.pad, texts.end)
    rows = DescriptionRows(sources, taught.texts, texts, options)
    _check(rows, options)
    return DescriberSetup(
        lessons=lessons,
        texts=texts,
        model=model,
        train_dataset=cast(Any, rows),
        eval_dataset=cast(Any, DescriptionRows(plain, held.texts, texts, options)),
        collator=Collator(texts),
    )


def _check(rows: DescriptionRows, options: Options) -> None:
    cut = sum(len(labels) == options.max_target for labels in rows.labels) / max(1, len(rows))
    if cut > 0.1:
        raise UsageError(
            f"model.max_target: {cut:.0%} of the descriptions are longer than {options.max_target} tokens."
        )


def _exploded(data: Path) -> pd.DataFrame:
    """Validation with a row for every reference."""
    frame = pd.read_parquet(data / "validation.parquet").explode(REFERENCES, ignore_index=True)
    return frame.assign(description=frame[REFERENCES])


def _lessons(train: pd.DataFrame, options: Options) -> Lessons:
    rows = [slots_of(product) for product in products_of(train)]
    texts = list(train["description"])
    schema = learn_schema(rows, texts, options)
    if not schema:
        raise DataError("The training products have no features in common.")
    prices = train["price"] if "price" in train else pd.Series(float("nan"), index=train.index)
    currencies = train["currency"].fillna("") if "currency" in train else pd.Series("", index=train.index)
    learnt = {
        **controls.seen(texts),
        "languages": sorted({code for code in _codes(train) if code}),
        "length_bounds": controls.length_bounds(texts),
        "price_bounds": controls.price_bounds(list(prices.fillna(0)), list(currencies)),
    }
    plain = [delexicalised(text, copied(schema, row)) for row, text in zip(rows, texts, strict=True)]
    return Lessons(schema, learnt, learn_evidence(schema, rows, plain))


def _said(part: Prepared, checker: Checker) -> Prepared:
    """What the descriptions say: without the features that each omits, and without those that say something else.

    Crowd-written and shop-written texts leave out a tenth of the features; a model that learns from such pairs learns
    to do so (Dušek et al., 2019).
    """
    checks = [checker.check(text, row) for text, row in zip(part.plain, part.rows, strict=True)]
    kept = [i for i, check in enumerate(checks) if not check.invented]
    if not kept:
        raise DataError("Every training description contradicts its features: set model.faithful to false.")
    rows = [{n: v for n, v in part.rows[i].items() if n not in checks[i].missing} for i in kept]
    return Prepared(
        rows,
        [part.texts[i] for i in kept],
        [part.languages[i] for i in kept],
        [part.bands[i] for i in kept],
        [part.plain[i] for i in kept],
    )


def _codes(frame: pd.DataFrame) -> list[str]:
    return list(frame["language"].fillna("")) if "language" in frame else [""] * len(frame)


def _prepared(frame: pd.DataFrame, lessons: Lessons) -> Prepared:
    products = products_of(frame)
    rows = [slots_of(product) for product in products]
    plain = list(frame["description"])
    texts = [delexicalised(text, copied(lessons.schema, row)) for row, text in zip(rows, plain, strict=True)]
    bounds = lessons.learnt["price_bounds"]
    bands = [controls.price_band(product.price, product.currency, bounds) for product in products]
    return Prepared(rows, texts, _codes(frame), bands, plain)


def _source(part: Prepared, i: int, lessons: Lessons, share: float, rng: Any) -> str:
    """The input of one row, with some of its controls."""
    tokens = fixed_tokens(part.languages[i], part.bands[i], lessons.learnt)
    if share:
        tokens += shown_controls(part.plain[i], list(part.rows[i].values()), lessons.learnt, share, rng)
    return linearised(lessons.schema, part.rows[i], tokens)


def control_tokens(learnt: dict[str, Any]) -> list[str]:
    """Every control token of a model."""
    return [
        *(f"<lang:{code}>" for code in learnt["languages"]),
        *(f"<length:{name}>" for name in controls.LENGTHS),
        *(f"<tone:{name}>" for name in (*controls.TONES, controls.NEUTRAL)),
        *(f"<audience:{name}>" for name in controls.AUDIENCES),
        *(f"<price:{name}>" for name in controls.BANDS),
        "<keyword>",
    ]


def _tokenizer(taught: Prepared, lessons: Lessons, options: Options) -> Any:
    special = [*control_tokens(lessons.learnt), *special_tokens(lessons.schema)]
    if options.encoder is not None:
        from transformers import AutoTokenizer

        return extend(AutoTokenizer.from_pretrained(resolve_encoder(options.encoder)).backend_tokenizer, special)
    # What the tokenizer learns its pieces from: descriptions and values, without the tokens that are added whole.
    values = [value for row in taught.rows for value in row.values()]
    return train_tokenizer([*taught.plain, *values], options.shape.vocabulary, special)


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write `tokenizer.json`, `evidence.safetensors` (what the checker learned) and `labels.json`."""
    from safetensors.numpy import save_file

    options, setup = cast(Options, options), cast(DescriberSetup, setup)
    lessons, evidence = setup.lessons, setup.lessons.evidence
    setup.texts.tokenizer.save(str(folder / "tokenizer.json"))
    save_file({"weights": evidence.weights, "offsets": evidence.offsets}, folder / EVIDENCE_FILE)
    write_json(
        folder / "labels.json",
        {
            # Lists: the order of slots is the order the model reads them in, and JSON objects are written sorted.
            "slots": [{"name": name, **asdict(slot)} for name, slot in lessons.schema.items()],
            "evidence": {"phrases": evidence.phrases, "values": list(evidence.values.items())},
            "controls": lessons.learnt,
            "max_source": options.max_source,
            "max_target": options.max_target,
            "beams": options.beams,
        },
    )
