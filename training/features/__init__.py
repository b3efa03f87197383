"""What networks learn from: mel spectrograms, varied, and music and sounds without labels."""
