"""Which of eight categories somebody looks at, from one slice of an fMRI scan: every run in turn left out."""
