"""Step 9: change files so that each is old or new in full, and can be taken back."""
