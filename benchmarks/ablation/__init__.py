"""What each candidate and heuristic of the default decoder brings: each is switched off by itself."""
