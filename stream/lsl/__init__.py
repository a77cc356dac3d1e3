"""Lab Streaming Layer: finding streams, inlets, outlets, clock offsets, reconnection."""
