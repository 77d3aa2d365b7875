"""A model family outside the package: a message's intent is the first keyword it contains."""
