"""Text: encoders, languages, altered copies."""
