"""Products and search queries as vectors of one space."""
