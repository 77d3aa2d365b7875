from __future__ import annotations

import pytest

from vitrina.serving.security import ApiKeys


def test_without_keys_everybody_may_pass() -> None:
    assert not ApiKeys("")
    assert ApiKeys(" , ").allow([])


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ((b"x-api-key", b"second"), True),
        ((b"authorization", b"Bearer first"), True),
        ((b"authorization", b"bearer first"), True),
        ((b"authorization", b"Basic first"), False),
        ((b"x-api-key", b"secon"), False),
        ((b"x-api-key", b""), False),
        ((b"host", b"first"), False),
    ],
)
def test_a_key_passes_in_either_header(header: tuple[bytes, bytes], allowed: bool) -> None:
    assert ApiKeys("first, second").allow([(b"host", b"shop"), header]) is allowed


def test_a_caller_is_named_without_telling_the_key() -> None:
    keys = ApiKeys("first, second")
    names = {keys.caller([(b"x-api-key", key)]) for key in (b"first", b"second")}
    assert len(names) == 2
    assert keys.caller([(b"authorization", b"Bearer first")]) in names
    assert not any("first" in name or "second" in name for name in names)
    assert ApiKeys("").caller([(b"x-api-key", b"anything")]) == ""
