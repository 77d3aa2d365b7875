"""From a trained folder to something that serves: ONNX, int8, the proof that they agree, and the bento."""

from __future__ import annotations

from vitrina.packaging.onnx import export_model

__all__ = ["export_model"]
