"""Vitrina: MLOps for online shops, from data to a watched service."""

__version__ = "0.1.0"
