"""Reads and writes sessions as files: XDF, npz, NWB, HDF5, MATLAB, CSV."""
