"""Records LSL streams into XDF files, without loss."""
