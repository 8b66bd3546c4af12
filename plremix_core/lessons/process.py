"""One notebook run by papermill in a process of its own: ``python -m plremix_core.lessons.process JOB``.

The process is light (no torch) and never outlives who started it: its standard input is a pipe whose other end the
starter holds, and when that closes, however the starter died, the process kills its group and the kernel goes too.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.modules.setdefault("rfc3987_syntax", None)  # a second of start-up for a check of addresses that nobody makes here

import papermill  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402


@dataclass(frozen=True)
class How:
    """How a notebook is run: tags of cells left out, file descriptors the kernel keeps, variables, still wanted?"""

    drop: tuple[str, ...] = ()
    keep: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    wanted: Callable[[], bool] = lambda: True


def in_process(job: dict, log: Path, timeout: float, how: How) -> str:
    """Run `main` on `job` in a process group of its own, with `log` appended to; say why it ended badly, or ""."""
    command, reason = [sys.executable, "-m", "plremix_core.lessons.process", json.dumps(job)], ""
    options = dict(stdin=subprocess.PIPE, pass_fds=how.keep, start_new_session=True)
    deadline = time.monotonic() + timeout
    with open(log, "a") as out, subprocess.Popen(
        command, stdout=out, stderr=out, env={**os.environ, **how.environment}, **options
    ) as process:  # fmt: skip
        try:
            while process.poll() is None and not reason:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
                if time.monotonic() > deadline:
                    reason = f"took longer than {timeout:.0f} s"
                elif not how.wanted():
                    reason = "stopped"
        finally:  # also on Ctrl-C: no kernel is left behind
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return reason or (f"papermill ended with status {process.returncode}; see {log}" if process.returncode else "")


def manager(folder: str, keep: list[int]) -> type[AsyncKernelManager]:
    """Kernel manager whose sockets lie in a short private folder, so that parallel runs cannot clash over ports.

    Parameters
    ----------
    folder : str
        Short: a socket's path may have about a hundred characters.
    keep : list of int
        File descriptors that the kernel inherits. A lock among them is held until the kernel is gone.

    Returns
    -------
    type
        For nbclient's ``kernel_manager_class``.
    """

    class Manager(AsyncKernelManager):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            if os.name == "posix":
                self.transport, self.ip, self.connection_file = "ipc", f"{folder}/k", f"{folder}/kernel.json"

        async def start_kernel(self, **options: object) -> None:
            await super().start_kernel(pass_fds=keep, **options)

    return Manager


def die_with_starter() -> None:
    """Kill this process group as soon as standard input closes."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main(job: dict) -> None:
    """Execute ``job["source"]`` into ``job["executed"]`` without the cells that carry one of the tags in ``drop``."""
    notebook = papermill.iorw.load_notebook_node(job["source"])
    notebook.cells = [c for c in notebook.cells if not set(job["drop"]) & set(c.metadata.get("tags", []))]
    with tempfile.TemporaryDirectory(prefix="plremix-", dir="/tmp" if Path("/tmp").is_dir() else None) as folder:
        papermill.execute_notebook(
            notebook,
            job["executed"],
            job["parameters"],
            kernel_name="python3",
            language="python",
            cwd=Path(job["source"]).parent,
            progress_bar=False,
            log_output=True,
            kernel_manager_class=manager(folder, job["keep"]),
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    die_with_starter()
    main(json.loads(sys.argv[1]))
