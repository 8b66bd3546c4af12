"""The machine under a measurement: what it is, its peak, memory and time."""

import contextlib
import ctypes
import datetime
import gc
import json
import logging
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import torch
import torchvision

from .files import write_atomic

STATUS, REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux only
log = logging.getLogger("plremix")


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_memory(device: torch.device) -> None:
    """Give freed memory back and start the peak anew, as far as the system allows it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif REFS.exists():
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
            REFS.write_text("5")


def peak_memory(device: torch.device) -> int:
    """Bytes: the device's peak of tensors on a GPU; the process's peak elsewhere (since `reset_memory` on Linux)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024)


def peak_flops(device: torch.device, precision: str, size: int = 0) -> float:
    """FLOP/s of a large matrix product, the best of several.

    On a CPU also of one written as a 1 x 1 convolution: other kernels compute it, on some processors faster ones.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    size = size or (8192 if device.type == "cuda" else 1024)
    a, b = (torch.ones(rows, size, device=device, dtype=dtype) for rows in (4 * size, size))
    maps = a.view(-1, 8, 8, size).permute(0, 3, 1, 2)  # (4 size, size) as images of 8 x 8, channels last
    kinds = [lambda: a @ b]
    if device.type == "cpu":
        kinds.append(lambda: torch.nn.functional.conv2d(maps, b[:, :, None, None]))
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # what convolutions are allowed
    taken = []
    for kind in kinds * 6:
        wait(device)
        start = time.perf_counter()
        kind()
        wait(device)
        taken.append(time.perf_counter() - start)
    torch.backends.cuda.matmul.allow_tf32 = allowed
    return 8 * size**3 / min(taken)


def find_device(name: str) -> torch.device:
    """The device of this name; auto: a GPU if there is one."""
    found = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(found if name == "auto" else name)


def still_here(device: str) -> str:
    """The device of a run's settings; auto, with a warning, if that is a GPU and there is none here."""
    if not device.startswith("cuda") or torch.cuda.is_available():
        return device
    log.warning("the run was on %s and there is no GPU here: it goes on without", device)
    return "auto"


def processor(device: torch.device) -> str:
    """Name of the GPU, or of the CPU's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_words() -> str:
    """The GPU's name, or how many threads of the CPU are used."""
    threads = torch.get_num_threads()
    cpu = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu


def in_a_line() -> str:
    """What a notebook runs on."""
    return f"Python {platform.python_version()} · torch {torch.__version__} · {in_words()}"


def load() -> list[float]:
    """Processes that wanted to run in the last 1, 5 and 15 minutes; empty where the system does not say."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []


def command(arguments: list[str]) -> str:
    """The command line, of absolute paths the last part only."""
    program, *others = (Path(a).name if Path(a).is_absolute() else a for a in arguments)
    script = program.endswith(".py") and Path(program).name != "__main__.py"  # python -m plremix_core is plremix, too
    return " ".join([f"python {program}" if script else "plremix", *others])


def versions() -> dict[str, str]:
    """Of Python and of what a result depends on."""
    modules = dict(torch=torch, torchvision=torchvision, sklearn=sklearn, numpy=np)
    return dict(python=platform.python_version()) | {name: module.__version__ for name, module in modules.items()}


def provenance(device: torch.device) -> dict[str, object]:
    """Where, when, with what and by which command."""
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return dict(
        command=command(sys.argv),
        commit=commit.stdout.strip() or "not a git checkout",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        device=str(device),
        processor=processor(device),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        load=load(),
        system=platform.platform(),
        versions=versions(),
    )


def record(path: Path, table: pd.DataFrame, seed: int, fingerprint: str) -> None:
    """Put the rows of one seed into a table of recorded results, and where they come from into the .json beside it.

    Parameters
    ----------
    path : Path
        A .csv; rows of the same seed are replaced, those of others stay.
    table : DataFrame
        Without a column seed.
    seed : int
        Of these rows.
    fingerprint : str
        Of the settings.
    """
    other = path.with_suffix(".json")
    old = pd.read_csv(path).query("seed != @seed") if path.exists() else None
    whole = pd.concat([old, table.assign(seed=seed)]).sort_values("seed", kind="stable")
    facts = json.loads(other.read_text()) if other.exists() else {}
    facts[str(seed)] = dict(settings=fingerprint) | provenance(torch.device("cpu"))
    write_atomic(path, whole.to_csv(index=False, float_format="%.5g").encode())
    write_atomic(other, json.dumps(facts, indent=1, sort_keys=True).encode())
