"""`python -m octoroute` is `octoroute`."""

import sys

from octoroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
