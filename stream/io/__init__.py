"""Sessions from and to files: XDF, npz, NWB, HDF5, MATLAB, CSV."""
