"""Product classifier: category, attributes, quality and what reviewers think, from one encoder."""
