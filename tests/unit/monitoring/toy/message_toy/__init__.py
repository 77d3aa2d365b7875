"""A family small enough for tests of monitoring: nearest topic by hashed words."""
