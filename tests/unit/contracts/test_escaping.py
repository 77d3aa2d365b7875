"""What of a caller's text comes back in an answer."""

from __future__ import annotations

import pytest

from vitrina.contracts.escaping import disarmed, escaped
from vitrina.contracts.http import Refusal


def test_nothing_of_an_escaped_text_is_markup() -> None:
    assert escaped('<b title="x">Oak & Tide') == "&lt;b title=&quot;x&quot;&gt;Oak & Tide"


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "</b>", "<!-- x", "<?php", "a <IMG src=x>"])
def test_a_refusal_holds_no_tags_wherever_they_stood(text: str) -> None:
    refusal = Refusal(422, f"No such field: {text}.", [{"loc": ["body", text], "msg": text, "number": 7}])
    assert b"<" not in refusal.body()
    assert b'"number":7' in refusal.body()


def test_what_is_no_tag_stays_as_it_is() -> None:
    assert disarmed("Expected `int` <= 5, and a < b; i <3 oak.") == "Expected `int` <= 5, and a < b; i <3 oak."
