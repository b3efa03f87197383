"""``python -m genretagger``."""

import sys

from genretagger.cli import main

if __name__ == "__main__":
    sys.exit(main())
