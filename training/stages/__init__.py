"""The stages, one module each: ``python -m training STAGE``."""
