"""Music with labels from playlists: found, fetched and checked."""
