"""Small things that the registry's tests share."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

from vitrina.registry import server

WORDS = {"refund": "refund", "parcel": "delivery", "size": "sizes", "card": "payment"}

MakeModel = Callable[..., Path]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind((server.HOST, 0))
        return found.getsockname()[1]


def evaluation_of(folder: Path) -> Path:
    """Where the fixture `make_model` puts the evaluation of a folder."""
    return folder.with_name(f"{folder.name}.evaluation")


def python(*arguments: str) -> list[str]:
    """A command line of this interpreter."""
    return [sys.executable, *arguments]
