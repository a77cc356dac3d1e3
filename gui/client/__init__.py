"""What the window receives: LSL inlets, the engine's description, the movie's pictures."""
