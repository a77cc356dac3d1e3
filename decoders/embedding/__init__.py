"""Embeddings: from a causal window of activity to a point."""
