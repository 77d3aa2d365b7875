"""Large language models: how much of a GPU they need, and the manifests that deploy them. Knows no family."""
