"""What the words of a text show: language, claims, markup, addresses, and which facts they leave out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from vitrina.llm.prompts.variables import ProductFacts, Variables
from vitrina.text.language import detect_language

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|\[[^\]\n]{1,100}\]\(https?://|^#{1,6} |\*\*[^*\n]+\*\*|```", re.M)
_LEAK = re.compile(r"</?data\b|<\|[a-z_]{2,40}\|>|\\u003c|</?thinking>|\bJSON schema\b", re.I)
_ADDRESS = re.compile(r"https?://[^\s)>\]]+|\bwww\.[^\s)>\]]+|\b[\w.+-]+@[\w-]+\.[\w.-]*\w")
_WORD = re.compile(r"\w+")


class Claim(NamedTuple):
    """A claim no text may make. `unless_stated`: fine where the data themselves use the words."""

    name: str
    pattern: re.Pattern[str]
    unless_stated: bool


@cache
def claims() -> tuple[Claim, ...]:
    """The claims of `banned.yaml`."""
    listed = yaml.safe_load(files("vitrina.llm.prompts").joinpath("banned.yaml").read_text(encoding="utf-8"))
    return tuple(
        Claim(each["claim"], re.compile("|".join([*each["es"], *each["en"]])), each.get("unless_stated", False))
        for each in listed
    )


def banned(text: str, given: str) -> Iterator[tuple[str, str]]:
    """Claim and words of every banned claim, one of each kind; `given`: what the data say."""
    for claim in claims():
        for found in claim.pattern.finditer(text.lower()):
            if not (claim.unless_stated and found[0].strip() in given.lower()):
                yield claim.name, found[0].strip()
                break


def language(text: str, default: str) -> str:
    """`es` or `en`; the default where the words say nothing."""
    return detect_language(text, default)


def markup(text: str) -> str | None:
    """The first HTML or markdown in a text."""
    found = _MARKUP.search(text)
    return found[0].strip() if found else None


def leak(text: str) -> str | None:
    """The first sign of a prompt or a chat template in a text."""
    found = _LEAK.search(text)
    return found[0] if found else None


def unknown_addresses(text: str, given: str) -> list[str]:
    """Web and e-mail addresses that the data do not hold."""
    return [each for each in dict.fromkeys(_ADDRESS.findall(text)) if each.lower().rstrip(".,") not in given.lower()]


def plain(inputs: Variables) -> str:
    """All texts that a task was given, a line each."""
    return "\n".join(_texts(inputs.model_dump(mode="json")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)


def left_out(product: ProductFacts, text: str) -> list[str]:
    """Names of the attributes whose value a text does not mention; endings do not count (cotton's, algodones)."""
    said = stems(text)
    return [name for name, value in product.attributes.items() if (own := stems(value)) and not own <= said]


def stems(text: str) -> set[str]:
    """The words of a text without accents, case and endings of number and gender (es, en)."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(sign))
    return {_stem(word) for word in _WORD.findall(bare)} - {"de", "of", "the", "el", "la", "a", "y", "and", "con", "in"}


def _stem(word: str) -> str:
    if len(word) > 4:
        word = re.sub(r"(?:es|s)$", "", word)
    return re.sub(r"[aoe]$", "", word) if len(word) > 3 else word
