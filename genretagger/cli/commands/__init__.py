"""A module for each command, with ``run(options)``, which returns the exit code."""
