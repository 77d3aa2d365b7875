"""How good a product classifier is: what every model with these heads is measured by."""

from vitrina.families.layers.product_heads.metrics import evaluate

__all__ = ["evaluate"]
