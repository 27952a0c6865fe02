"""`python -m sepm` is `sepm`."""

import sys

from sepm.cli import main

sys.exit(main())
