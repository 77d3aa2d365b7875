from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator

import pytest

from vitrina.llm.assistant.masking import mask_logs, masked, masked_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ana.lopez+shop@correo.example.es, please", "write to [email], please"),
        ("mi tarjeta 4111 1111 1111 1111 caduca", "mi tarjeta [card] caduca"),
        ("card 5500-0000-0000-0004.", "card [card]."),
        ("IBAN ES91 2100 0418 4502 0005 1332", "IBAN [iban]"),
        ("DE89370400440532013000 is mine", "[iban] is mine"),
        ("DNI 12345678Z y NIE X1234567L", "DNI [identity] y NIE [identity]"),
        ("12.345.678-z", "[identity]"),
        ("llámame al 612 34 56 78 o al +34 912 345 678", "llámame al [phone] o al [phone]"),
        ("0034612345678 / 612345678 / 612-345-678", "[phone] / [phone] / [phone]"),
        ("call (555) 010-4477 or +1 555 010 4477", "call [phone] or [phone]"),
    ],
)
def test_what_says_who_somebody_is_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Oak table 120 x 80 cm, 249.00 EUR, order 20418",
        "EAN 8412345678905 and p000042",
        "1.299,00 € for 2 shirts of size 42",
        "from 2026-11-21 to 2026-12-05 at 10:30",
        "4111 1111 1111 1112",  # fails its check digit
        "5.0 GHz, 16 GB, 1920x1080, version 3.1.8",
    ],
)
def test_prices_sizes_dates_and_products_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize("piece", ["a.b", "1 ", "+34", "X1", "ES12", "a@b.", "612-"])
def test_long_texts_are_masked_in_time(piece: str) -> None:
    started = time.process_time()
    masked(piece * 30_000)
    assert time.process_time() - started < 2


def test_texts_anywhere_in_a_value_are_masked() -> None:
    value = {"message": "a@b.example", "history": [{"text": "612 34 56 78"}], "count": 3}
    assert masked_values(value) == {"message": "[email]", "history": [{"text": "[phone]"}], "count": 3}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    made, output = logging.getLogRecordFactory(), io.StringIO()
    handler = logging.StreamHandler(output)
    logging.getLogger("vitrina.test").addHandler(handler)
    yield output
    logging.getLogger("vitrina.test").removeHandler(handler)
    logging.setLogRecordFactory(made)


def test_logs_and_tracebacks_hold_neither_keys_nor_personal_data(logged: io.StringIO) -> None:
    mask_logs(["sk-secret-1", "", "sk-secret"])
    log = logging.getLogger("vitrina.test")
    log.warning("%s wrote %d times with %s", "ana@shop.example", 3, ValueError("key sk-secret-1"))
    log.warning("%(who)s", {"who": "612 34 56 78"})
    try:
        raise RuntimeError("input was 'ana@shop.example', key sk-secret")
    except RuntimeError:
        log.exception("It failed.")
    said = logged.getvalue()
    assert "ana@" not in said
    assert "secret" not in said
    assert "612" not in said
    assert "[email] wrote 3 times with key [key]" in said
    assert "RuntimeError" in said
