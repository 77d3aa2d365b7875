"""Matrix factorization, a deep network and closed-form models, mixed as suits a shop."""
