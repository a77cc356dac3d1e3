"""Fitting a model, and choosing its settings on held-out training data."""
