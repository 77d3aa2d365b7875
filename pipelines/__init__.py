"""Pipelines: components put together. `python -m pipelines` runs, compiles, submits and schedules them."""
