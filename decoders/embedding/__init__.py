"""Embeddings of neural activity: linear and contrastive."""
