"""Scores of a model on test data, compared with baselines and controls."""
