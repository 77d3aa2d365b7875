"""Customer message → intent, with calibrated confidence and out-of-scope detection."""
