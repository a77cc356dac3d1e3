"""Refits of a model while the experiment runs."""
