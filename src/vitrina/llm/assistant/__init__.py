"""The assistant's service: what stands between a shop's callers and a language model."""
