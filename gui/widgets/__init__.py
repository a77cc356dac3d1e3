"""Parts of the window that are no panels."""
