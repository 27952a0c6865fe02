"""Run the READMEs' commands on the bundled demo as a reader types them, one after the other.

    python scripts/readme_commands.py README.md data/demo/README.md

A command is a line of an indented block, lines that end in a backslash joined. It is run if it
names a path of the demo (data/demo, scripts/demo), unless a comment behind it begins with what it
"needs" or how long it "takes", and once, though several pages show it. The first that fails ends
it, with that command's exit status.
"""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

OF_THE_DEMO = re.compile(r"\b(?:data|scripts)/demo/")
NOT_RUN = re.compile(r"\s# (?:needs|takes) ")


def commands(text: str) -> list[str]:
    """Commands in a page's indented blocks, one a line; fenced blocks are of other languages."""
    joined = re.sub(r"```.*?```|\\\n\s*", "", text, flags=re.DOTALL)
    return [line.strip() for line in joined.split("\n") if line.startswith("    ")]


def demo_commands(text: str) -> list[str]:
    """The commands of a page that are run."""
    return [c for c in commands(text) if OF_THE_DEMO.search(c) and not NOT_RUN.search(c)]


def words_of(command: str) -> tuple[str, ...]:
    """A command's words without its comment; `python -m sepm` is `sepm`."""
    words = shlex.split(command, comments=True)
    return tuple(words[2:] if words[:3] == ["python", "-m", "sepm"] else words)


def main(pages: list[str]) -> int:
    """Exit status of the first command that fails, or 0."""
    run: set[tuple[str, ...]] = set()
    for page in map(Path, pages):
        for command in demo_commands(page.read_text(encoding="utf-8")):
            if (words := words_of(command)) in run:
                continue
            run.add(words)
            print(f"== {page}: {command}", flush=True)
            started = time.monotonic()
            if status := subprocess.run(["bash", "-c", command], check=False).returncode:
                print(f"{page}: exit status {status} of: {command}", file=sys.stderr)
                return status
            print(f"== {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
