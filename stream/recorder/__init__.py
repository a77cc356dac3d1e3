"""Recording LSL streams into XDF, without loss."""
