"""Inputs of training: mel spectrograms, their augmentation, and sound without labels."""
