"""The model registry (MLflow), promotion and the local services; with `training/callbacks.py` all that imports mlflow."""
