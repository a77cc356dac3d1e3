"""From an inlet to clean samples: timing, channel health, binned events, and the stimulus and labels beside them."""
