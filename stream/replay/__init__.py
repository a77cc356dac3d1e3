"""A recorded session played back as LSL streams, faults injected on request."""
