"""Groups of tracks that their tags do not know, and a map of them: ``genretagger discover``."""
