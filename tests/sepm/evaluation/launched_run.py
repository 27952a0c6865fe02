"""A `sepm` command line under a launcher, one of whose processes may kill itself on the way.

Its arguments: index of that process, at which of its rows it does so, and the command line.
"""

import os
import signal
import sys

from forked_runs import signal_at_row

from sepm.cli import main

if __name__ == "__main__":
    index, row, *arguments = sys.argv[1:]
    if os.environ["RANK"] == index:
        signal_at_row(int(row), signal.SIGKILL)
    sys.exit(main(arguments))
