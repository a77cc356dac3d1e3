"""The Qt display: a client of the engine's streams."""
