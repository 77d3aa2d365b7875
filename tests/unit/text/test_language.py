from __future__ import annotations

import pytest

from vitrina.text.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("¿dónde está mi pedido?", "es"),
        ("quiero devolver una camisa", "es"),
        ("QUIERO UN REEMBOLSO", "es"),
        ("mañana", "es"),
        ("where is my order", "en"),
        ("I'd like to return a shirt for a refund", "en"),
        ("can you tell me the total", "en"),
    ],
)
def test_short_messages_are_recognised(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["", "12345", "📦", "zzz"])
@pytest.mark.parametrize("default", ["en", "es"])
def test_texts_without_telling_words_get_the_default(text: str, default: str) -> None:
    assert detect_language(text, default) == default
