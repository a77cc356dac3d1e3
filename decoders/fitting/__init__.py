"""Fits models, and selects their settings by cross-validation within the training data."""
