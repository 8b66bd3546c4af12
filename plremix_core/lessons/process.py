"""One notebook run by papermill in a process of its own: ``python -m plremix_core.lessons.process JOB``.

The process loads no torch and never outlives its starter: its standard input is a pipe that the starter holds. When the
pipe closes, because the starter died or is done with it, the process kills its kernel and itself.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import papermill
import psutil
from ipykernel.kernelspec import get_kernel_dict
from traitlets.config import Config


def run_process(job: dict, log: Path, timeout: float, environment: dict[str, str], wanted: Callable | None) -> str:
    """Run `execute` on a job in a process of its own, append to a log, and return why it ended badly, or ""."""
    deadline = time.monotonic() + timeout
    short = "/tmp" if Path("/tmp").is_dir() else None  # the path of a socket may have about a hundred characters
    with tempfile.TemporaryDirectory(prefix="plremix-", dir=short) as sockets, open(log, "a") as out:
        command = [sys.executable, "-m", "plremix_core.lessons.process", json.dumps(job | {"sockets": sockets})]
        options = dict(stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True)
        with subprocess.Popen(command, env=os.environ | environment, **options) as process:  # its end closes the pipe
            while process.poll() is None:
                if time.monotonic() > deadline:
                    return f"took longer than {timeout:.0f} s"
                if wanted and not wanted():
                    return "stopped"
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
    return f"papermill ended with status {process.returncode}; see {log}" if process.returncode else ""


def own_kernel(folder: str) -> str:
    """Make a kernel "python3" of this interpreter in a folder; return the JUPYTER_PATH that puts it before others."""
    spec = Path(folder, "kernels", "python3")
    spec.mkdir(parents=True, exist_ok=True)
    (spec / "kernel.json").write_text(json.dumps(get_kernel_dict()))
    return os.pathsep.join(filter(None, (folder, os.environ.get("JUPYTER_PATH"))))


def execute(job: dict) -> None:
    """Execute ``job["source"]`` into ``job["executed"]`` without the cells that carry one of the tags in ``drop``."""
    notebook = papermill.iorw.load_notebook_node(job["source"])
    notebook.cells = [c for c in notebook.cells if not set(job["drop"]) & set(c.metadata.get("tags", []))]
    os.environ["JUPYTER_PATH"] = own_kernel(job["sockets"])
    kernel = {"connection_file": f"{job['sockets']}/kernel.json"}
    if os.name == "posix":  # sockets as files: no open ports, over which parallel runs could clash
        kernel |= {"transport": "ipc", "ip": f"{job['sockets']}/k"}
    options = dict(kernel_name="python3", language="python", config=Config(KernelManager=kernel))
    options |= dict(cwd=Path(job["source"]).parent, log_output=True, progress_bar=False)
    papermill.execute_notebook(notebook, job["executed"], job["parameters"], **options)


def _die_with_starter() -> None:
    """Wait until standard input closes, then kill the kernel and all that it started, and end."""
    while os.read(0, 1):
        pass
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=10)
    os._exit(1)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    threading.Thread(target=_die_with_starter, daemon=True).start()
    execute(json.loads(sys.argv[1]))
