"""Spanish or English, from the words that only one of them uses. Made for short customer messages."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+")
_SPANISH_LETTERS = re.compile("[ñ¿¡áéíóúü]")
_SPANISH_WORDS = """
    el la los las un una unos unas de del al y o que qué quién cómo cuándo cuánto cuánta cuál dónde como cuando donde
    por para con sin sobre es son era está están estoy fue hay ha he han mi mis tu tus su sus me te se le les lo nos
    yo ella ellos esto este esta ese esa eso muy más pero si sí ya también quiero quisiera necesito puedo puedes
    puede tengo tiene hacer hola gracias favor pedido envío tarjeta cuenta
"""
_ENGLISH_WORDS = """
    the an of to and or that what who how when where which for from with without about is are was were be been am do
    does did has have had my your his her their our me you he she it we they this these those very more but if yes
    not can could would should will i'm i need want please tell hello thanks there at on by as get order card
"""
_SPANISH = frozenset(_SPANISH_WORDS.split())
_ENGLISH = frozenset(_ENGLISH_WORDS.split())


def detect_language(text: str, default: str = "en") -> str:
    """`es` or `en`; `default` where the words say nothing (a number, an emoji, another language)."""
    words = _WORD.findall(text.lower())
    spanish = sum(word in _SPANISH for word in words) + 2 * bool(_SPANISH_LETTERS.search(text.lower()))
    english = sum(word in _ENGLISH for word in words)
    if spanish == english:
        return default
    return "es" if spanish > english else "en"
