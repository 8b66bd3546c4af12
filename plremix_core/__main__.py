"""The entry point of the command ``plremix``, which is built in `cli`."""

import os
import sys

from .cli import main


def run() -> None:
    """Run the command; what the user got wrong is one line, not a traceback."""
    # beside other work, threads that spin while they wait made small networks up to thirty times slower; read by torch
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what the screen cannot show
        stream.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        main()
    except (ValueError, FloatingPointError, OSError) as error:
        sys.exit(f"plremix: {error}")


if __name__ == "__main__":
    run()
