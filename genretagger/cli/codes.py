"""Exit codes."""

OK, SOME_FAILED, USAGE, FATAL, INTERRUPTED = 0, 1, 2, 3, 130
"""argparse itself exits with USAGE; INTERRUPTED is 128 + SIGINT, as shells have it."""
