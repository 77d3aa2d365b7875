"""Personal data and keys are masked in all that is kept: the prediction log and the process's own logs.

Patterns find what has a form: addresses of e-mail, numbers of cards, accounts, identity cards and telephones. Names and
streets have none and stay. A number that only looks like one of these is masked too: nobody misses it in a log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")  # begins where a word does: linear on any text
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.I)
CARD = re.compile(r"(?<![\w.,])\d(?:[ -]?\d){12,18}(?!\w|[.,]\d)")
IDENTITY = re.compile(r"\b(?:\d{2}\.?\d{3}\.?\d{3}|[XYZ][ -]?\d{7})[ -]?[A-HJ-NP-TV-Z]\b", re.I)
PHONE = re.compile(
    r"""(?<![\w.,])
    (?: (?:\+|00)\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}  # +34 612 34 56 78, +1 (555) 010-4477
      | [6789]\d{2}(?:[ .-]?\d{3}){2}                             # 612 345 678
      | [6789]\d{2}(?:[ .-]?\d{2}){3}                             # 612 34 56 78
      | \(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}                          # (555) 010-4477
    )(?!\w|[.,]\d)""",
    re.VERBOSE,
)


def luhn(digits: str) -> bool:
    """Whether a number's last digit checks it, as a card's does (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed([int(sign) for sign in digits if sign.isdigit()])):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _always(found: str) -> bool:
    return True


PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", EMAIL, _always),
    ("iban", IBAN, _always),
    ("card", CARD, luhn),
    ("identity", IDENTITY, _always),
    ("phone", PHONE, _always),
)
"""What is masked, in this order: name, form, and whether what has the form is one."""


def masked(text: str) -> str:
    """The text with `[email]`, `[iban]`, `[card]`, `[identity]` and `[phone]` in place of what they are."""
    for name, pattern, is_one in PATTERNS:
        text = pattern.sub(_mask(name, is_one), text)
    return text


def _mask(name: str, is_one: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    return lambda found: f"[{name}]" if is_one(found[0]) else found[0]


def masked_values(value: T) -> T:
    """A value of JSON with all its texts masked; keys stay."""
    if isinstance(value, str):
        return masked(value)  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {key: masked_values(item) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return [masked_values(item) for item in value]  # type: ignore[return-value]
    return value


def mask_logs(secrets: Iterable[str]) -> None:
    """From now on every line that this process logs, its tracebacks too, is masked; `secrets` become `[key]`."""
    hidden = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    make, formatter = logging.getLogRecordFactory(), logging.Formatter()

    def clean(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in hidden:
            text = text.replace(secret, "[key]")
        return masked(text)

    def record(*arguments: Any, **named: Any) -> logging.LogRecord:
        made = make(*arguments, **named)
        made.msg = clean(made.msg)
        if isinstance(made.args, Mapping):
            made.args = {name: clean(value) for name, value in made.args.items()}
        elif made.args:
            made.args = tuple(clean(value) for value in made.args)
        if made.exc_info and made.exc_info[0] is not None:
            made.exc_text = clean(formatter.formatException(made.exc_info))
        return made

    logging.setLogRecordFactory(record)
