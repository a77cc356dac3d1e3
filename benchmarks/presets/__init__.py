"""Every preset of the simulator, paired seeds: the default decoder beside its baselines and controls."""
