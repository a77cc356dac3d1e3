"""The engine: decodes a live stream and publishes its predictions."""
