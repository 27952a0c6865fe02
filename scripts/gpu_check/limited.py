"""A `sepm` command with so many GB of the GPU's memory: `limited.py GB COMMAND …`."""

import sys

import torch

from sepm.cli import main

if __name__ == "__main__":
    _, total = torch.cuda.mem_get_info(0)
    torch.cuda.set_per_process_memory_fraction(min(1.0, float(sys.argv[1]) * 1e9 / total), 0)
    sys.exit(main(sys.argv[2:]))
