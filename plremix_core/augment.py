"""Weak and strong views of whole batches of uint8 images, on the device of the images.

All random parameters are drawn on the CPU from an explicit generator, so that they do not depend on the device.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, InterpolationMode
from torchvision.transforms.v2 import functional as V

from .checks import require
from .config import Config

POLICY = AutoAugment(AutoAugmentPolicy.CIFAR10).policies  # 25 x 2 x (operation, probability, magnitude index)
CHUNK_BYTES = 1 << 27  # views are made for as many steps at a time as fit into this many bytes
SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 images (B, c, H, W) -> float32 of zero mean and unit deviation in each channel of the data set."""
    shift = torch.tensor(mean, device=images.device).view(1, -1, 1, 1) * 255
    scale = torch.tensor(std, device=images.device).view(1, -1, 1, 1) * 255
    return (images - shift) / scale


def weak_view(images: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """Random crop after zero padding, and horizontal flip.

    Parameters
    ----------
    images : Tensor of shape (B, c, H, W), uint8
        Un-augmented images.
    config : Config
        Fields pad (pixels) and flip are used.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor of shape (B, c, H, W), uint8
        One view of each image.

    Raises
    ------
    ValueError
        If the images are not uint8 of four dimensions.

    Source
    ------
    Release: dataloader_cifar.py, weak transform.

    Differs
    -------
    The whole batch at once.
    """
    rule = images.dtype == torch.uint8 and images.ndim == 4
    require(rule, "images", "uint8 of shape (B, c, H, W)", (images.dtype, tuple(images.shape)), "See data.from_arrays.")
    batch, _, height, width = images.shape
    pad, draw = config.pad, {"generator": generator}
    top = torch.randint(2 * pad + 1, (batch, 1), **draw) + torch.arange(height)  # (B, H)
    left = torch.randint(2 * pad + 1, (batch, 1), **draw) + torch.arange(width)  # (B, W)
    flip = (torch.rand(batch, 1, **draw) < 0.5) & config.flip
    left = torch.where(flip, left.flip(1), left)
    padded = F.pad(images, (pad, pad, pad, pad)).permute(0, 2, 3, 1)  # (B, c, H, W) -> (B, H+2p, W+2p, c)
    top, left = top.to(images.device), left.to(images.device)
    index = torch.arange(batch, device=images.device)[:, None, None]
    return padded[index, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)  # -> (B, c, H, W)


def strong_view(images: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """Weak view, then AutoAugment's CIFAR-10 policy: one of 25 pairs of operations for each image.

    Parameters
    ----------
    images : Tensor of shape (B, c, H, W), uint8
        Un-augmented images.
    config : Config
        Fields pad, flip and fill are used.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor of shape (B, c, H, W), uint8
        One view of each image.

    Raises
    ------
    ValueError
        As `weak_view`.

    Source
    ------
    AutoAugment (arXiv:1805.09501), table 7; release: autoaugment.py.

    Differs
    -------
    torchvision's operations (random sign of rotations, nearest pixel in geometry) instead of Pillow's.
    Images that share an operation are transformed together.
    """
    out = weak_view(images, config, generator).contiguous()
    choice = torch.randint(len(POLICY), (len(out),), generator=generator)
    for slot in (0, 1):
        chance = torch.rand(len(out), generator=generator)
        sign = torch.randint(2, (len(out),), generator=generator)
        groups: dict[tuple, list[Tensor]] = {}
        for number, pair in enumerate(POLICY):
            name, probability, level = pair[slot]
            applied = (choice == number) & (chance < probability)
            for negative in (0, 1) if name in SIGNED else (None,):
                members = applied if negative is None else applied & (sign == negative)
                groups.setdefault((name, level, negative), []).append(members)
        for (name, level, negative), members in groups.items():
            index = torch.stack(members).any(dim=0).nonzero()[:, 0].to(out.device)
            if len(index):
                out[index] = apply(out[index], name, level, bool(negative), config.fill)
    return out


def apply(images: Tensor, name: str, level: int | None, negative: bool, fill: int) -> Tensor:
    """Apply one operation of AutoAugment at magnitude index `level` (0 to 9) to uint8 images (B, c, H, W)."""
    share = (level or 0) / 9 * (-1 if negative else 1)
    width, height = images.shape[3], images.shape[2]
    if name in ("Brightness", "Color", "Contrast", "Sharpness"):
        adjust = {"Color": V.adjust_saturation}.get(name) or getattr(V, f"adjust_{name.lower()}")
        return adjust(images, 1 + 0.9 * share)
    if name in ("Invert", "Equalize", "AutoContrast"):
        return getattr(V, name.lower())(images)
    if name == "Posterize":
        return V.posterize(images, 8 - round(share * 4))
    if name == "Solarize":
        return V.solarize(images, 255 * (1 - share))
    options = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0], "center": None}
    if name == "Rotate":
        options["angle"] = 30 * share  # degrees
    elif name in ("ShearX", "ShearY"):
        slope = torch.tensor(0.3 * share).atan().rad2deg().item()  # degrees
        options["shear"] = [slope, 0.0] if name == "ShearX" else [0.0, slope]
        options["center"] = [0, 0]
    else:
        require(name in ("TranslateX", "TranslateY"), "operation", "one of AutoAugment", name, "See POLICY.")
        options["translate"] = (
            [round(150 / 331 * width * share), 0] if name == "TranslateX" else [0, round(150 / 331 * height * share)]
        )
    return V.affine(images, interpolation=InterpolationMode.NEAREST, fill=[float(fill)] * images.shape[1], **options)


def batch_order(indices: Tensor, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Draw the samples of `steps` batches, a fresh permutation each time the samples are used up.

    Parameters
    ----------
    indices : Tensor of shape (n,), int64
        Samples to draw from, n >= 1.
    batch_size, steps : int
        Size and number of the batches.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor of shape (steps, batch_size), int64

    Raises
    ------
    ValueError
        If there is no sample.

    Source
    ------
    Release: shuffled loaders, restarted when they end.

    Differs
    -------
    The rest of a permutation that does not fill a batch opens the next one instead of being dropped.
    """
    require(len(indices) > 0, "indices", "at least one sample", 0, "Give the part a sample.")
    rounds = -(-steps * batch_size // len(indices))
    order = torch.cat([torch.randperm(len(indices), generator=generator) for _ in range(rounds)])
    return indices[order[: steps * batch_size]].view(steps, batch_size)


def passes(
    data_images: Tensor, order: Tensor, weak: int, strong: int, config: Config, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of `order` with their views, made for many steps at a time.

    Parameters
    ----------
    data_images : Tensor of shape (N, c, H, W), uint8
        Whole training set, on the device.
    order : Tensor of shape (steps, B), int64
        From `batch_order`.
    weak, strong : int
        Number of views of each kind.
    config : Config
        See `weak_view` and `strong_view`.
    generator : torch.Generator
        On the CPU.

    Yields
    ------
    index : Tensor of shape (B,), int64
        On the device.
    views : Tensor of shape (weak + strong, B, c, H, W), uint8
        Weak views first.
    """
    size = order.shape[1]
    chunk = max(1, CHUNK_BYTES // (size * (weak + strong) * data_images[0].numel()))
    for part in order.split(chunk):
        index = part.to(data_images.device)
        images = data_images[index.flatten()]
        kinds = [weak_view] * weak + [strong_view] * strong
        views = torch.stack([kind(images, config, generator) for kind in kinds])  # (V, chunk*B, c, H, W)
        views = views.unflatten(1, (-1, size)).transpose(0, 1)  # -> (chunk, V, B, c, H, W)
        yield from zip(index, views)
