"""The one training engine and what it needs to know about a family."""
