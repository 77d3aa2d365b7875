"""Product features → description, faithful to what is given."""
