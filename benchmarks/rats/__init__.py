"""Decoding of a rat's position from hippocampal spikes: two real recordings, our decoder beside shrinkage LDA."""
