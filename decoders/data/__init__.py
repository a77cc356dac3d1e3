"""Training data: splits, cleaning, segment boundaries, delays."""
