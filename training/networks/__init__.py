"""The networks, as definitions: nothing here learns."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
