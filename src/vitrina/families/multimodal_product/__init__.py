"""One transformer over a product's text, photo, price and metadata."""
