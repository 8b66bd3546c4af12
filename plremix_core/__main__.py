"""The entry point of the command ``plremix``, which is built in `cli`."""

import sys

from .cli import main


def run() -> None:
    """Run the command; what the user got wrong is one line, not a traceback."""
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what the screen cannot show
        stream.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        main()
    except (ValueError, FloatingPointError, OSError) as error:
        sys.exit(f"plremix: {error}")


if __name__ == "__main__":
    run()
