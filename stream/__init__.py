"""Lab Streaming Layer in and out, clocks, gaps, recording, replay and file formats."""
