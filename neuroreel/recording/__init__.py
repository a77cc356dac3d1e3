"""The recorder as a child process of live and display, and what it shows."""
