"""Watching a served model: its prediction log, drift, true labels, what to label, when to retrain."""
