"""Training data: cleaning, segment boundaries, splits, delays, fingerprints."""
