"""What every component shares: one image with Vitrina and its libraries; nothing is installed at run time."""

from __future__ import annotations

import functools

from kfp import dsl

IMAGE = "vitrina-python:0.1.0"
"""Built from `deploy/images/pipeline.Dockerfile`; `vitrina pipeline compile --image` names another."""

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
