"""What MLflow runs when a registered model is loaded: the family's own serving code on the logged model folder.

MLflow copies this file beside the model ("models from code"), so nothing is ever unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from vitrina.families import catalog


class FamilyModel(mlflow.pyfunc.PythonModel):
    """A model folder behind MLflow's predict; needs neither torch nor transformers."""

    def load_context(self, context: Any) -> None:
        """Load the folder that was logged as the artifact `folder`."""
        spec = catalog.get(context.model_config["family"])
        self.predictor = spec.serving.load(Path(context.artifacts["folder"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of predictions per row of examples."""
        return self.predictor.predict_frame(model_input)


mlflow.models.set_model(FamilyModel())
