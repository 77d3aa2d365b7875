"""The model registry (MLflow), promotion and the local services."""
