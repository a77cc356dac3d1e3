"""Readouts: from a point of the embedding to movie frames and to continuous labels."""
