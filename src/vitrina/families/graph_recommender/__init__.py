"""Recommends by attention over the graph of users, products and their attributes."""
