"""What the assistant asks a language model: typed tasks, templates, checked answers, versions."""
