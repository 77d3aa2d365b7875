"""Metrics, calibration, behaviour checks, gates and the evaluation report."""
