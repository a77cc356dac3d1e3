"""The panels of the window, one file each: every one draws a snapshot and knows nothing of where it came from."""
