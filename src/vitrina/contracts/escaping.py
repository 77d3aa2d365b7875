"""Text of callers in answers: nothing of it may act as markup where an answer is shown on a page."""

from __future__ import annotations

import re
from typing import Any

_UNSAFE = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;"})
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
"""Where HTML begins a tag: `<` before anything else is a sign of its own, as in "expected <= 5"."""


def escaped(text: str) -> str:
    """Safe inside an element and inside a quoted attribute of a page; `&` stays, so that Oak & Tide is legible."""
    return text.translate(_UNSAFE)


def disarmed(value: Any) -> Any:
    """A message, or lists and objects with strings, without tags: `<script>` becomes `&lt;script>`."""
    if isinstance(value, str):
        return _TAG.sub("&lt;", value)
    if isinstance(value, list):
        return [disarmed(each) for each in value]
    if isinstance(value, dict):
        return {name: disarmed(each) for name, each in value.items()}
    return value
