"""Decoding of eight picture categories from one slice of an fMRI scan, leaving out each run in turn."""
