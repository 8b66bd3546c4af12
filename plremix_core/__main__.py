"""The entry point of the command ``plremix``, which is built in `cli`."""

import os
import sys

from .cli import main


def run() -> None:
    """Run the command; what the user got wrong is one line, not a traceback."""
    # Rounds that torch's threads spin while they wait: two small trainings with two threads each on two cores took 43 s
    # each with the usual 300,000 and 9 s with these; one alone took 14.0 s, not 12.9 (means of two).
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what the screen cannot show
        stream.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        main()
    except (ValueError, FloatingPointError, OSError) as error:
        sys.exit(f"plremix: {error}")


if __name__ == "__main__":
    run()
