"""Listens to a music collection and tags it with genres, safely."""
