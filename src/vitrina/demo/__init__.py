"""The demo: the whole loop as a user would run it. Every step is a command of the CLI or an HTTP request."""
