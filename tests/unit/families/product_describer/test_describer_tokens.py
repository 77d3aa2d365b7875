"""Texts ↔ token ids."""

from __future__ import annotations

import pytest

from vitrina.families.product_describer.tokens import Texts, train_tokenizer

CORPUS = [
    "The Mill is a red chair near The River.",
    "Una silla de roble, fácil de limpiar: £20-25!",
    "It costs £30.",
] * 20


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts(train_tokenizer(CORPUS, 500, ["<slot:name>", "<copy:name>", "<copy:near>"]))


@pytest.mark.parametrize(
    "text",
    [
        *CORPUS[:3],
        "Übergröße 42 🪑 — new words",
        "<copy:name> is near <copy:near>.",
        "It is <copy:name>'s (<copy:near>)!",
    ],
)
def test_a_text_comes_back_as_it_was(texts: Texts, text: str) -> None:
    assert texts.decode(texts.encode([text], 200)[0]) == text


def test_encoding_ends_and_is_cut_with_the_end_token(texts: Texts) -> None:
    whole, cut = texts.encode([CORPUS[0]], 100)[0], texts.encode([CORPUS[0]], 5)[0]
    assert whole[-1] == texts.end
    assert cut == [*whole[:4], texts.end]


def test_a_placeholder_is_one_token_and_control_tokens_are_never_written(texts: Texts) -> None:
    ids = texts.encode(["near <copy:near>."], 20)[0]
    assert texts.placeholders["<copy:near>"] in ids
    assert texts.id_of("<slot:name>") in texts.unwritten
    assert texts.pad in texts.unwritten
    assert texts.end not in texts.unwritten


def test_decoding_stops_at_the_end_token(texts: Texts) -> None:
    ids = texts.encode(["It costs £30."], 50)[0]
    assert texts.decode([*ids, *ids]) == "It costs £30."
