"""How often the races of this directory are run: once, or as often as the environment says."""

import os

DEPTH = int(os.environ.get("BAILIWICK_TEST_DEPTH", "1"))
