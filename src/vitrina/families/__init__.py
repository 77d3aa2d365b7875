"""Model families: one folder each, always with the same file names."""
