"""Embedding, frame decoder, playback model, evaluation and the live engine."""
