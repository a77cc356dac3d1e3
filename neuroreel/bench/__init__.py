"""What bench measures: decoding, fitting, latency, soak, and CEBRA beside them."""
