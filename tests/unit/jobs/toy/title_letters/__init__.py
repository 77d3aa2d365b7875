"""A family for tests: a title is the letters in it."""
