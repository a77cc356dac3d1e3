"""Recordings made independently of the project's simulator: the default decoder beside scikit-learn's classifiers."""
