"""What every served model shares: loading and swapping, batching, HTTP, keys, metrics and the prediction log.

Nothing here imports torch, transformers, mlflow, pandas or bentoml: a serving process starts in seconds.
"""
