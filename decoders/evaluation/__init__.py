"""Scores of a model on test data, beside its baselines and controls."""
