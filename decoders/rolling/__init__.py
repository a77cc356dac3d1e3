"""Refitting a model while the experiment runs."""
