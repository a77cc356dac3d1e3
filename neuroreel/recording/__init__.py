"""The recorder as a child process of the engine, and the views of its progress."""
