"""The fitted model: its parts, its file, and its state while it decodes a stream."""
