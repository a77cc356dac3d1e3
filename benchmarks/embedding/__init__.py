"""What contrastive training adds to the linear embedding."""
