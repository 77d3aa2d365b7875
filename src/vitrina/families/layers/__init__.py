"""Blocks that two or more families share. What serving uses imports neither torch nor transformers."""
