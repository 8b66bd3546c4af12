"""Images in files, read in the background, for sets that do not fit into memory; indexed like a uint8 tensor."""

import contextlib
import hashlib
import multiprocessing
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import functional as V
from tqdm.auto import tqdm

from ..engine.checks import require
from .augment import to_device

PART_BYTES = 1 << 24  # `split` reads at most so many bytes of pixels at a time
UNREADABLE = "image must be a readable picture, got "
REPLACE = " Replace the file, or move it (and its line in a list of files) away."
OUTSIDE = re.compile(r"[/\\]|.:|(.*[/\\])?\.\.([/\\]|\Z)", re.DOTALL)  # absolute, on a drive, or above the root
FEW, MOST = 256, 16  # images that are read without starting processes; processes


def read_image(path: Path, image_size: int) -> Tensor:
    """Read one image of 8 bits a channel as RGB (3, S, S), uint8: its middle square, resized to `image_size`.

    0 = the image as it is. What a camera noted of its orientation is applied; what is transparent becomes white. The
    release cuts weak views from the whole image; here all images have one shape.
    """
    try:
        with Image.open(path) as picture:
            deep = picture.mode.startswith(("I", "F"))  # Pillow would cut 16 bits off at 255
            with contextlib.suppress(Exception):  # a damaged note; damaged pixels are found in the next line
                ImageOps.exif_transpose(picture, in_place=True)
            if "transparency" in picture.info or picture.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
            image = V.pil_to_tensor(picture.convert("RGB"))
    except Exception as error:
        raise ValueError(f"{UNREADABLE}{path}: {error}.{REPLACE}") from error
    require(not deep, "image", "of 8 bits a channel", str(path), "Convert it.")
    if image_size and tuple(image.shape[1:]) != (image_size, image_size):
        image = V.center_crop(image, [min(image.shape[1:])])  # before resizing: no huge image from a long, narrow one
        image = V.resize(image, [image_size, image_size], antialias=True)
    return image


class ImageFiles:
    """Images in files `paths` below `root`, indexed like a uint8 tensor of shape (N, 3, H, W) on a device.

    Only what is asked for is read. `image_size` is that of `read_image`; without one all files have the `shape`
    (..., H, W), by default that of the first.
    """

    def __init__(
        self, root: str | Path, paths: list[str], image_size: int, device: str = "cpu", shape: torch.Size | None = None
    ) -> None:
        outside = next(filter(OUTSIDE.match, paths), None)
        require(outside is None, "path of an image", f"below {root}", outside, "Write it relative to the root.")
        self.root, self.paths, self.image_size, self.device = Path(root), paths, image_size, torch.device(device)
        known = shape or ((3, image_size, image_size) if image_size or not paths else None)
        self.shape = torch.Size((len(paths), *(known or read_image(self.root / paths[0], 0).shape)[-3:]))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:
        """Read images (n, 3, H, W), or (3, H, W) for an int, onto the device."""
        if isinstance(index, int):
            return self[torch.tensor([index])][0]
        return torch.cat(list(self.subset(index).split(len(self))))

    def __getitems__(self, places: list[int]) -> np.ndarray | ValueError:
        """Read a batch for the DataLoader; an error is returned, because a raised one would get another message."""
        out = np.empty((len(places), *self.shape[1:]), dtype=np.uint8)
        try:
            for slot, place in enumerate(places):
                path = self.root / self.paths[place]
                image = read_image(path, self.image_size).numpy()
                require(image.shape == out.shape[1:], f"shape of {path}", out.shape[1:], image.shape, "Set image_size.")
                out[slot] = image
        except ValueError as error:
            return error
        return out

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield all images in order, at most `size` (and PART_BYTES) at a time."""
        size = max(1, min(size, PART_BYTES // max(1, self.shape[1:].numel())))
        return fetched(self, torch.arange(len(self)).split(size))

    def to(self, device: str) -> "ImageFiles":
        """The same files, delivered on `device`."""
        return ImageFiles(self.root, self.paths, self.image_size, device, self.shape)

    def subset(self, index: slice | Tensor) -> "ImageFiles":
        """The files of `index` (n,), not read."""
        paths = [self.paths[place] for place in self.places(index)]
        return ImageFiles(self.root, paths, self.image_size, self.device, self.shape)

    def places(self, index: slice | Tensor) -> list[int]:
        """Numbers in [0, N) of what a slice, numbers or a mask (N,) select."""
        return torch.arange(len(self))[index.cpu() if isinstance(index, Tensor) else index].tolist()

    def signature(self) -> str:
        """SHA-256 over paths, sizes of the files and `image_size`: what tells one set from another unread."""
        digest = hashlib.sha256(str(self.image_size).encode())
        if not all((self.root / path).is_file() for path in self.paths):
            require_readable(self.root, self.paths)
        for path in self.paths:
            size = (self.root / path).stat().st_size
            digest.update(f"{path}\0{size}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def _keep(batch: object) -> object:
    """Keep a batch an array: a tensor would pass through /dev/shm, which is often tiny in a container."""
    return batch


def fetched(images: Tensor | ImageFiles, indices: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield ``images[index]`` for each of `indices`; of files, other processes read the next ones meanwhile."""
    if not isinstance(images, ImageFiles):
        yield from (images[index.to(images.device)] for index in indices)
        return
    for batch in _loader(images, [images.places(index) for index in indices]):
        if isinstance(batch, ValueError):
            raise batch
        yield to_device(torch.from_numpy(batch), images.device)


def in_memory(files: ImageFiles) -> Tensor:
    """Read all images of `files` into one tensor (N, 3, H, W), uint8, on the CPU."""
    out, place = torch.empty(files.shape, dtype=torch.uint8), 0
    with tqdm(total=len(files), desc="reading images", unit="image", disable=len(files) < 10_000) as bar:
        for part in files.to("cpu").split(len(files)):
            out[place : place + len(part)] = part
            place += len(part)
            bar.update(len(part))
    return out


def require_readable(root: str | Path, paths: list[str]) -> None:
    """Refuse images that cannot be read, naming all of them."""
    found = _loader(ImageFiles(root, paths, 1), [[place] for place in range(len(paths))])
    broken = [str(error) for error in found if isinstance(error, ValueError)]
    if len(broken) > 1:
        shown = [text.removeprefix(UNREADABLE).removesuffix(REPLACE) for text in broken]
        broken = ["\n  ".join([f"{len(broken)} images must be readable pictures, got", *shown]) + f"\n{REPLACE[1:]}"]
    if broken:
        raise ValueError(broken[0])


def _loader(files: ImageFiles, batches: list[list[int]]) -> DataLoader:
    """Read batches of places, in other processes if there are many."""
    alone = len(batches) == 1 or sum(map(len, batches)) <= FEW or multiprocessing.current_process().daemon
    workers = 0 if alone else min(torch.get_num_threads(), MOST, len(batches))
    ahead = dict(num_workers=workers, prefetch_factor=1 if workers else None)
    own = torch.Generator()  # the global one stays as it is
    return DataLoader(files, batch_sampler=batches, collate_fn=_keep, generator=own, **ahead)


def memory_limit(device: str = "auto") -> int:
    """Bytes that images may take in memory by default: half of what is free, and half of a GPU's if it is used."""
    free, group = [psutil.virtual_memory().available], Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    if device.startswith("cuda") or device == "auto" and torch.cuda.is_available():
        free.append(torch.cuda.mem_get_info(device if ":" in device else None)[0])
    return max(0, min(free)) // 2
