"""Learn the genres of one's own tags from the embeddings of tracks: ``genretagger learn``."""
