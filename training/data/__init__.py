"""Labelled clips: where they come from, who plays them, which fold they are in."""
