"""`messages`: one row a customer message with its intent.

Rows may repeat: how often customers write "hello" is a fact, and published test sets keep the size that others report
on. Nothing leaks by it: rows without a split are split by the hash of their text, so equal texts stay together.
"""

from __future__ import annotations

from vitrina.contracts.columns import LANGUAGE, Column, Length, OneOf, Table

OUT_OF_SCOPE = "out_of_scope"
"""The reserved intent of messages that none of the shop's intents covers."""

SPLITS = ("train", "validation", "test")

MESSAGES = Table(
    name="messages",
    columns=(
        Column("text", "string", (Length(1, 5000),)),
        Column("intent", "string", (Length(1, 100),)),
        LANGUAGE,
        Column("split", "string", (OneOf((*SPLITS, "")),), default=""),
        Column("domain", "string", (Length(1, 100),), nullable=True),
    ),
    key=(),
)
