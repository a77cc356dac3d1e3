"""The checks of ``neuroreel doctor``: this computer and its network."""
