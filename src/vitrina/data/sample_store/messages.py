"""What customers write to the shop, in Spanish and English, with the intent behind it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.data.sample_store.grammar import expand, pick, vocabulary

LANGUAGES = ("es", "en")
SPANISH = {False: 0.62, True: 0.45}  # share of Spanish before and after the drift switch
NEW_WORDING = 0.65  # share of the new wording in the messages after the drift switch

Side = Literal["history", "traffic"]


@dataclass(frozen=True)
class Intent:
    """An intent: its domain, and its share of the messages before and after the drift switch (relative)."""

    domain: str | None
    before: float
    after: float


INTENTS = {
    "order_status": Intent("orders", 12, 9),
    "cancel_order": Intent("orders", 5, 5),
    "change_address": Intent("orders", 4, 4),
    "delivery_time": Intent("delivery", 6, 4),
    "delivery_cost": Intent("delivery", 5, 4),
    "parcel_locker": Intent("delivery", 0, 5),
    "return_request": Intent("returns", 8, 9),
    "refund_status": Intent("returns", 6, 7),
    "warranty": Intent("returns", 4, 3),
    "complaint": Intent("contact", 5, 6),
    "human_agent": Intent("contact", 4, 5),
    "store_hours": Intent("contact", 4, 2),
    "greeting": Intent("contact", 3, 2),
    "payment_failed": Intent("payment", 5, 7),
    "pay_in_instalments": Intent("payment", 0, 4),
    "discount_code": Intent("payment", 5, 7),
    "gift_card": Intent("payment", 3, 3),
    "invoice_request": Intent("payment", 4, 3),
    "product_question": Intent("products", 6, 5),
    "size_advice": Intent("products", 5, 5),
    "stock_availability": Intent("products", 6, 6),
    "account_login": Intent("account", 5, 5),
    "app_problem": Intent("account", 0, 5),
    OUT_OF_SCOPE: Intent(None, 8, 8),
}

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHORTHAND = {
    "es": {"que": "q", "qué": "q", "por": "x", "para": "pa", "porque": "xq", "también": "tb", "pedido": "pdido"},
    "en": {"you": "u", "please": "pls", "your": "ur", "are": "r", "order": "ordr", "because": "bc", "to": "2"},
}
TRAFFIC_SHARE = 4  # one text in four exists only in traffic: no text of a table is ever asked of the service


def draw(count: int, rng: np.random.Generator, *, drift: bool, side: Side) -> pd.DataFrame:
    """`count` distinct messages: text, intent, language, split (empty), domain; order is random.

    A text belongs to one `side` for ever, by its hash: a model trained on any sample store's table has seen none of
    the texts that any stream of traffic brings.
    """
    names = list(INTENTS)
    weights = np.array([intent.after if drift else intent.before for intent in INTENTS.values()])
    intents = rng.choice(names, size=count, p=weights / weights.sum())
    languages = np.where(rng.random(count) < SPANISH[drift], *LANGUAGES)
    seen: set[str] = set()
    texts = []
    for name, language in zip(intents.tolist(), languages.tolist(), strict=True):
        text = _fresh(name, language, drift, side, seen, rng)
        seen.add(text)
        texts.append(text)
    domains = [INTENTS[name].domain for name in intents.tolist()]
    return pd.DataFrame(
        {"text": texts, "intent": intents, "language": languages, "split": "", "domain": domains}, dtype=object
    )


def _fresh(intent: str, language: str, drift: bool, side: Side, seen: set[str], rng: np.random.Generator) -> str:
    """A text of the right side that was not drawn before; short intents run out and are then written with typos."""
    attempt = 0
    while True:
        text = _write(intent, language, drift, rng)
        for _ in range(attempt // 10):
            text = _typo(text, rng)
        if text not in seen and _side(text) == side:
            return text
        attempt += 1


def _side(text: str) -> Side:
    digest = hashlib.blake2b(" ".join(text.lower().split()).encode(), digest_size=4).digest()
    return "traffic" if int.from_bytes(digest, "big") % TRAFFIC_SHARE == 0 else "history"


def _write(intent: str, language: str, drift: bool, rng: np.random.Generator) -> str:
    """One message: perhaps a greeting, perhaps a remark that has nothing to do with the intent, the point, a close."""
    words = vocabulary(f"messages.{language}")
    wordings = words["intents"][intent]
    later = drift and "later" in wordings and ("now" not in wordings or rng.random() < NEW_WORDING)
    parts = [_frequent(wordings["later" if later else "now"], rng)]
    chances = rng.random(3)
    if intent not in ("greeting", OUT_OF_SCOPE):
        if chances[0] < 0.4:
            parts.insert(0, pick(words["contexts"], rng))
        if chances[1] < 0.35:
            parts.insert(0, pick(words["openers"], rng))
    if chances[2] < 0.3:
        parts.append(pick(words["closers"], rng))
    return _by_hand(expand("".join(parts), words["slots"], rng), language, rng)


def _frequent(templates: Sequence[str], rng: np.random.Generator) -> str:
    """The first templates are common, the last are rare: people's wording has a long tail."""
    return templates[int(len(templates) * rng.random() ** 1.7)]


def _by_hand(text: str, language: str, rng: np.random.Generator) -> str:
    """As people type: some care for capitals, some for punctuation, some for neither."""
    chances = rng.random(5)
    text = " ".join(text.split())
    if chances[0] < 0.4:
        text = text[0].upper() + text[1:]
    elif chances[0] < 0.44:
        text = text.upper()
    if chances[1] < 0.45:
        text = text.replace("¿", "").replace("¡", "").rstrip("?!.")
    if language == "es" and chances[2] < 0.45:
        text = _without_accents(text)
    if chances[3] < 0.15:
        short = SHORTHAND[language]
        text = " ".join(short.get(word, word) for word in text.split())
    for limit in (0.4, 0.2, 0.1):
        if chances[4] < limit:
            text = _typo(text, rng)
    return text


def _without_accents(text: str) -> str:
    """á → a, but ñ stays."""
    decomposed = unicodedata.normalize("NFD", text.replace("ñ", "\0"))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("\0", "ñ")


def _typo(text: str, rng: np.random.Generator) -> str:
    """Drop, double, swap or mistype one letter."""
    if len(text) < 3:
        return text + pick("!.?…", rng)
    at = int(rng.integers(1, len(text) - 1))
    match int(rng.integers(4)):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + text[at] + text[at:]
        case 2:
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        case _:
            return text[:at] + _neighbour(text[at], rng) + text[at + 1 :]


def _neighbour(letter: str, rng: np.random.Generator) -> str:
    for row in KEYBOARD:
        place = row.find(letter.lower())
        if place >= 0:
            return pick([row[i] for i in (place - 1, place + 1) if 0 <= i < len(row)], rng)
    return letter
