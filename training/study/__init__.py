"""The founding report's grid of 24 variants."""
