"""The bundled, simulated recording, its movie, its fitted model, and the simulator that made them."""
