"""The playback model: a hidden Markov model over movie frames, and its forecast."""
