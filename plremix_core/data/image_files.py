"""Images in files, read when they are wanted, for sets that do not fit into memory; behaves as a uint8 tensor."""

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from threadpoolctl import threadpool_limits
from torch import Tensor
from torchvision.transforms.v2 import functional as V
from tqdm.auto import tqdm

from ..engine.checks import require

PART_BYTES = 1 << 27  # `split` reads at most so many bytes of pixels at a time


def read_image(path: str | Path, image_size: int) -> Tensor:
    """Read one image.

    Parameters
    ----------
    path : path
        JPEG, PNG, WebP, ... of 8 bits a channel; grey, palette, CMYK and alpha are turned into RGB.
    image_size : int
        Side of the result, pixels: the middle square, resized. 0 = the image as it is.

    Returns
    -------
    Tensor of shape (3, S, S), or (3, H, W) as it is, uint8

    Raises
    ------
    ValueError
        If the file is missing or broken; the message names it.

    Source
    ------
    Release: data/data_loader.py, Resize of the shorter side.

    Differs
    -------
    Images are cut square, so that all have one shape; the release cuts weak views from the whole image.
    """
    remedy = "Replace the file, or delete it and its entry in the list of files."
    try:
        with Image.open(path) as picture:
            deep = picture.mode.startswith(("I", "F"))  # Pillow would cut 16 bits off at 255
            image = V.pil_to_tensor(picture.convert("RGB"))
    except Exception as error:
        raise ValueError(f"image must be a readable picture, got {path}: {error}. {remedy}") from error
    require(not deep, "image", "of 8 bits a channel", str(path), "Convert it.")
    if image_size and tuple(image.shape[1:]) != (image_size, image_size):
        image = V.center_crop(image, [min(image.shape[1:])])  # before resizing: no huge image from a long, narrow one
        image = V.resize(image, [image_size, image_size], antialias=True)
    return image


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads that decode, shared by all sets of `process` (a fork has none of its parent's threads)."""
    cores = len(os.sched_getaffinity(process)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(min(cores, 32), thread_name_prefix="plremix-images", initializer=_one_thread)


def _one_thread() -> None:
    torch.get_num_threads()  # torch sets this thread's number once; only then it can be changed, for this thread alone
    threadpool_limits(1, user_api="openmp")


class ImageFiles:
    """Images in files as a uint8 tensor of shape (N, 3, H, W) that is read by index.

    ``images[index]`` reads a batch by a pool of threads; `prefetch` starts reading one that will be asked for next.
    No more than two batches are in memory beside the one in use.

    Parameters
    ----------
    root : path
        Folder of all files.
    paths : list of str
        Paths below `root`.
    image_size : int
        See `read_image`; 0 = all files already have the shape of the first.
    device : torch.device or str
        Where batches are delivered.

    Raises
    ------
    ValueError
        If a path leaves `root`; on reading, if a file is missing, broken or of another shape.

    Source
    ------
    ours

    Differs
    -------
    The release decodes and transforms image by image in processes that start anew at every epoch.
    """

    dtype = torch.uint8
    ndim = 4

    def __init__(
        self,
        root: str | Path,
        paths: list[str],
        image_size: int,
        device: torch.device | str = "cpu",
        shape: torch.Size | None = None,
    ) -> None:
        outside = next((path for path in paths if _leaves(path)), None)
        require(outside is None, "path of an image", f"below {root}", outside, "Write it relative to the root.")
        self.root, self.paths, self.image_size = Path(root), paths, image_size
        self.device = torch.device(device)
        square = (3, image_size, image_size) if image_size or not paths else None
        single = shape or square or read_image(self.root / paths[0], 0).shape
        self.shape = torch.Size((len(paths), *single[-3:]))
        self._pending: tuple[list[int], Tensor, list[Future]] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:
        """Images (n, 3, H, W), or (3, H, W) for an int, on `device`."""
        if isinstance(index, int):
            return self[torch.tensor([index])][0]
        wanted = self._wanted(index)
        pending, self._pending = self._pending, None
        if pending is not None and pending[0] != wanted:
            _cancel(pending[2])
            pending = None
        _, out, tasks = pending or self._start(wanted)
        try:
            for task in tasks:
                task.result()
        except BaseException:
            _cancel(tasks)
            raise
        return out.to(self.device, non_blocking=True)

    def prefetch(self, index: slice | Tensor) -> None:
        """Start reading ``self[index]`` in the background; one batch at a time."""
        if self._pending is not None:
            _cancel(self._pending[2])
        self._pending = self._start(self._wanted(index))

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in order, at most `size` (and PART_BYTES) at a time, the next part read meanwhile."""
        size = max(1, min(size, PART_BYTES // max(1, self.shape[1:].numel())))
        return fetched(self, torch.arange(len(self)).split(size))

    def to(self, device: torch.device | str) -> "ImageFiles":
        """The same files, delivered on `device`."""
        return ImageFiles(self.root, self.paths, self.image_size, device, self.shape)

    def subset(self, index: slice | Tensor) -> "ImageFiles":
        """The files of `index` (n,), not read."""
        paths = [self.paths[i] for i in self._wanted(index)]
        return ImageFiles(self.root, paths, self.image_size, self.device, self.shape)

    def signature(self) -> str:
        """SHA-256 over paths, sizes of the files and `image_size`: what tells one set from another unread."""
        digest = hashlib.sha256(str(self.image_size).encode())
        for path in self.paths:
            file = self.root / path
            require(file.is_file(), "image", "a file that exists", str(file), "Restore it, or drop it from the list.")
            digest.update(f"{path}\0{file.stat().st_size}\0".encode())
        return digest.hexdigest()

    def _wanted(self, index: slice | Tensor) -> list[int]:
        if isinstance(index, slice):
            return list(range(len(self)))[index]
        index = index.nonzero()[:, 0] if index.dtype == torch.bool else index
        return [range(len(self))[i] for i in index.tolist()]

    def _start(self, wanted: list[int]) -> tuple[list[int], Tensor, list[Future]]:
        pin = self.device.type == "cuda"
        out = torch.empty(len(wanted), *self.shape[1:], dtype=torch.uint8, pin_memory=pin)
        pool = _pool(os.getpid())
        share = max(1, len(wanted) // (4 * pool._max_workers))
        slots = range(0, len(wanted), share)
        return wanted, out, [pool.submit(self._fill, out, wanted, slot, slot + share) for slot in slots]

    def _fill(self, out: Tensor, wanted: list[int], start: int, stop: int) -> None:
        for slot, i in enumerate(wanted[start:stop], start):
            image = read_image(self.root / self.paths[i], self.image_size)
            name, found = f"shape of {self.root / self.paths[i]}", tuple(image.shape)
            require(image.shape == self.shape[1:], name, f"{tuple(self.shape[1:])}", found, "Set image_size.")
            out[slot].numpy()[:] = image.numpy()


def _leaves(path: str) -> bool:
    return path.startswith(("/", "\\")) or path[1:2] == ":" or ".." in path.replace("\\", "/").split("/")


def _cancel(tasks: list[Future]) -> None:
    for task in tasks:
        task.cancel()


def fetched(images: Tensor | ImageFiles, indices: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield ``images[index]`` for each of `indices`; of files, the next batch is read while one is used."""
    indices = list(indices)
    for place, index in enumerate(indices):
        batch = images[index.to(images.device)]
        if isinstance(images, ImageFiles) and place + 1 < len(indices):
            images.prefetch(indices[place + 1])
        yield batch


def in_memory(files: ImageFiles) -> Tensor:
    """All images of `files` as one tensor (N, 3, H, W), uint8, on the CPU."""
    out, place = torch.empty(files.shape, dtype=torch.uint8), 0
    bar = tqdm(total=len(files), desc="reading images", unit="image", disable=len(files) < 10_000)
    for part in files.to("cpu").split(len(files)):
        out[place : place + len(part)] = part
        place += len(part)
        bar.update(len(part))
    bar.close()
    return out


def memory_limit(device: str = "auto") -> int:
    """Bytes that images may take in memory by default: half of what is free, and half of a GPU's if it is used."""
    free = [1 << 33]  # where nothing can be told, as on Windows
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
    if meminfo.exists():  # counts what the cache would give back
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        free = [int(lines["MemAvailable"].split()[0]) * 1024] if "MemAvailable" in lines else free
    limits = [group / name for name in ("memory.max", "memory.current")]  # of a container
    if all(path.exists() for path in limits) and limits[0].read_text().strip() != "max":
        free.append(int(limits[0].read_text()) - int(limits[1].read_text()))
    if device.startswith("cuda") or device == "auto" and torch.cuda.is_available():
        free.append(torch.cuda.mem_get_info()[0])
    return max(0, min(free)) // 2
