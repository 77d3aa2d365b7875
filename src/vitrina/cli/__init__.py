"""The command line: one thin command per job. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import atexit
import gc
import os
import sys

import typer

from vitrina.errors import VitrinaError
from vitrina.settings import disable_telemetry

app = typer.Typer(
    name="vitrina",
    help="MLOps for online shops: data, training, registry, serving, monitoring, retraining.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _register() -> None:
    """Import the command modules; each adds its commands to `app`."""
    import importlib

    for name in (
        "data",
        "models",
        "registry",
        "serving",
        "monitoring",
        "pipelines",
        "embedding",
        "index",
        "llm",
        "prompts",
        "operations",
    ):
        importlib.import_module(f"vitrina.cli.{name}")


def main() -> None:
    """Entry point: a user's mistake is one sentence on stderr and a non-zero exit."""
    disable_telemetry()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its notes on loading name no mistake of the user
    _register()
    atexit.register(gc.freeze)  # a last collection of torch's or mlflow's objects takes a second or two
    try:
        app()
    except VitrinaError as error:
        print(f"vitrina: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
