"""Scores of the default decoder beside baselines and controls, on every preset of the simulator with paired seeds."""
