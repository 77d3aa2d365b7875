"""Photo + reviews → rating; ranking by the predicted rating."""
