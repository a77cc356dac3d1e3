"""Plays a recorded session as LSL streams, with injected faults on request."""
