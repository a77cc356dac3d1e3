"""What doctor checks of this computer and its network."""
