"""From the final model to a bundle."""
