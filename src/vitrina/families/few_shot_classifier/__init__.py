"""Labels for classes never seen in training, from one to five examples each."""
