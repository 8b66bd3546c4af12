"""Which samples make a batch, and their views, made for many steps at a time."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .config import Config
from .data import augment
from .data.image_files import ImageFiles, fetched
from .engine.checks import require

CHUNK_BYTES = 1 << 27  # views are made for as many steps at a time as fit into this many bytes


def batch_order(indices: Tensor, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Draw the samples of `steps` batches, (steps, batch_size); a fresh permutation whenever the samples are used up.

    `indices` (n,), n >= 1, are the samples to draw from. What is left of a permutation opens the next batch (the
    release drops it).
    """
    require(len(indices) > 0, "indices", "at least one sample", 0, "Give the part a sample.")
    rounds = -(-steps * batch_size // len(indices))
    order = torch.cat([torch.randperm(len(indices), generator=generator) for _ in range(rounds)])
    return indices[order[: steps * batch_size]].view(steps, batch_size)


class Views(NamedTuple):
    """Views of a batch: `index` (B,); `weak` (w, B, c, H, W), `strong` (2, B, c, H, W) of a side of their own, and with
    two kinds of multi-crop the `small` ones, else None. Normalised floats, channels last in memory."""

    index: Tensor
    weak: Tensor
    strong: Tensor
    small: Tensor | None


def passes(
    images: Tensor | ImageFiles,
    order: Tensor,
    weak: int,
    strong: int,
    config: Config,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    generator: torch.Generator,
) -> Iterator[Views]:
    """Yield the batches of `order` (steps, B) with `weak` and `strong` views of every image.

    `images` (N, c, H, W), uint8, is the whole training set, on the device; of files, the next chunk is read while one
    is used. multi_crop of the `config` also says how many strong views there are. `statistics` are mean and deviation
    of each channel, as fractions of 255. The `generator` is on the CPU.
    """
    size = order.shape[1]
    views = weak + strong + sum(number for number, *_ in config.multi_crop)
    chunk = max(1, CHUNK_BYTES // (size * views * math.prod(images.shape[1:])))
    parts = order.split(chunk)
    for part, some in zip(parts, fetched(images, [part.flatten() for part in parts])):
        index = part.to(images.device)
        kinds = [[augment.weak_view(some, config, generator) for _ in range(weak)]]
        kinds += _strong(some, strong, config, generator)
        empty = some.new_empty(0, *some.shape)
        kinds = [torch.stack(kind) if kind else empty for kind in kinds]  # (V, chunk*B, c, H, W) each
        kinds = [kind.unflatten(1, (-1, size)).transpose(0, 1) for kind in kinds]  # -> (chunk, V, B, c, H, W)
        for number, batch in enumerate(index):
            floats = [augment.normalise_views(kind[number], *statistics) for kind in kinds]
            yield Views(batch, *floats, *[None] * (3 - len(kinds)))


def _strong(images: Tensor, count: int, config: Config, generator: torch.Generator) -> list[list[Tensor]]:
    if not config.multi_crop or not count:
        return [[augment.strong_view(images, config, generator) for _ in range(count)]]
    crops = [
        [augment.resized_crop(images, *box, generator) for _ in range(number)] for number, *box in config.multi_crop
    ]
    return [[augment.auto_augment(crop, config, generator) for crop in kind] for kind in crops]
