"""Where a result comes from: device, processor, versions, commit, command."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import torch

from .checks import require

WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")  # limits that oneDNN knows


def devices() -> list[str]:
    """List the names that a device may be given here."""
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["auto", "cpu", *["cuda"][: len(gpus)], *gpus, *["mps"][: torch.backends.mps.is_available()]]


def find_device(name: str) -> torch.device:
    """Return the device of this name; auto: a GPU if there is one."""
    here = devices()
    rule = f"one of {', '.join(here)} on this machine"
    require(name in here, "device", rule, name, "auto takes a GPU if there is one.")
    return torch.device(name if name != "auto" else "cuda" if "cuda" in here else "cpu")


def slow_bf16(device: torch.device) -> bool:
    """Tell whether this is an x86 CPU without instructions for bf16: there bf16 is slower than float32."""
    if device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "ALL"
    queries = [getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")]
    return limit.upper() in WITHOUT_BF16 or not any(query() for query in queries if query is not None)


def processor(device: torch.device) -> str:
    """Return the name of the GPU, or of the CPU's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")  # Python's platform does not tell the model on Linux
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_words() -> str:
    """Return the GPU's name, or how many threads of the CPU are used."""
    threads = torch.get_num_threads()
    cpu = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu


def in_a_line() -> str:
    """Return what a notebook runs on."""
    return f"Python {platform.python_version()} · torch {torch.__version__} · {in_words()}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of what a result depends on."""
    others = {"torchvision": "torchvision", "sklearn": "scikit-learn"}  # importing them takes seconds
    found = dict(python=platform.python_version(), torch=torch.__version__, numpy=np.__version__)
    return found | {name: importlib.metadata.version(package) for name, package in others.items()}


def commit() -> str:
    """Return the short name of the commit of the package's own checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"


def now() -> str:
    """Return date and time, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def provenance(device: torch.device) -> dict[str, object]:
    """Return where, when, with what and by which command, of whose absolute paths the last part only."""
    return dict(
        command=" ".join(Path(part).name if Path(part).is_absolute() else part for part in sys.orig_argv),
        commit=commit(),
        date=now(),
        device=str(device),
        processor=processor(device),
        threads=torch.get_num_threads(),
        load=[round(value, 2) for value in psutil.getloadavg()],  # over 1, 5 and 15 minutes
        versions=versions(),
    )
