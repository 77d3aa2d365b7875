"""What every component shares: one image with Vitrina and its libraries; nothing is installed at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kfp import dsl
from kfp.dsl.python_component import PythonComponent

IMAGE = "vitrina-python:0.1.0"
"""Built from `deploy/images/pipeline.Dockerfile`; `vitrina pipeline compile --image` names another."""

QUICK_EXIT = "import atexit, gc\natexit.register(gc.freeze)\n"
"""Ends a task without collecting the garbage of torch or mlflow once more, which takes 0.5 to 2 seconds."""


def component(function: Callable[..., Any]) -> PythonComponent:
    """A lightweight component of `function`, whose own source is all that is shipped."""
    made: PythonComponent = dsl.component(function, base_image=IMAGE, install_kfp_package=False)
    command = made.component_spec.implementation.container.command
    command[-1] = QUICK_EXIT + command[-1]
    return made
