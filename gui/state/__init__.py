"""What the window shows: the newest of every stream, and the last minutes."""
