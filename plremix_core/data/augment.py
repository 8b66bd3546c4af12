"""Weak and strong views of whole batches of uint8 images, on the device of the images; `config` holds the settings.

All random parameters are drawn on the CPU from an explicit generator, so that they do not depend on the device.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, InterpolationMode
from torchvision.transforms.v2 import functional as V

from ..engine.checks import require

POLICIES = {  # 25 x 2 x (operation, probability, magnitude index)
    "cifar10": AutoAugment(AutoAugmentPolicy.CIFAR10).policies,
    "imagenet": AutoAugment(AutoAugmentPolicy.IMAGENET).policies,
}
SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")


@functools.lru_cache(16)
def _in_pixels(values: tuple[float, ...], height: int, width: int, device: torch.device) -> Tensor:
    """A value for every pixel, channels last; to spread one a channel over all images is ten times slower (CPU)."""
    wide = torch.tensor(values, device=device).view(1, -1, 1, 1).expand(-1, -1, height, width) * 255
    return wide.contiguous(memory_format=torch.channels_last)


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """What was drawn on the CPU, on `device`; a GPU is not waited for."""
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn.to(device)


def normalise_views(views: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 views (V, B, c, H, W) -> float32 of zero mean and unit deviation a channel, channels last in memory."""
    flat = views.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # as bytes: a quarter of the traffic
    mean, std = (_in_pixels(values, *flat.shape[2:], flat.device) for values in (mean, std))
    return (flat.float() - mean).div_(std).unflatten(0, views.shape[:2])


def weak_view(images: Tensor, config, generator: torch.Generator) -> Tensor:
    """Crop uint8 images (B, c, H, W) at random, after zero padding, and flip half of them.

    Fields crop (0: the image's own size), pad and flip of `config` are used; `generator` is on the CPU. Images that are
    not uint8 of four dimensions, or smaller than the crop, are refused.

    Source: release, data/data_loader.py, transform "train".
    """
    rule = images.dtype == torch.uint8 and images.ndim == 4
    require(rule, "images", "uint8 of shape (B, c, H, W)", (images.dtype, tuple(images.shape)), "See data.from_arrays.")
    batch, _, height, width = images.shape
    pad, draw = config.pad, {"generator": generator}
    rows, columns = (config.crop or height, config.crop or width)
    fits = rows <= height + 2 * pad and columns <= width + 2 * pad
    require(fits, "crop", f"at most {min(height, width)} + 2 pad", config.crop, "Lower crop or raise image_size.")
    top = torch.randint(height + 2 * pad - rows + 1, (batch, 1), **draw)[:, 0]
    left = torch.randint(width + 2 * pad - columns + 1, (batch, 1), **draw)[:, 0]
    flipped = ((torch.rand(batch, 1, **draw) < 0.5) & config.flip)[:, 0].nonzero()[:, 0]
    top, left, flipped = (to_device(drawn, images.device) for drawn in (top, left, flipped))
    padded = F.pad(images, (pad, pad, pad, pad))  # (B, c, H, W) -> (B, c, H+2p, W+2p)
    windows = padded.unfold(2, rows, 1).unfold(3, columns, 1)  # every crop, without a copy
    crops = windows[torch.arange(batch, device=images.device), :, top, left]  # -> (B, c, H', W')
    return crops.index_copy_(0, flipped, crops.index_select(0, flipped).flip(3))


def strong_view(images: Tensor, config, generator: torch.Generator) -> Tensor:
    """Take a weak view, then apply AutoAugment's policy: one of 25 pairs of operations to each image.

    Arguments as for `weak_view`; fields policy and fill are used as well.

    Source: AutoAugment (arXiv:1805.09501), tables 7 and 9; release, data/auto_augment.py.
    Differs: torchvision's operations (random sign of rotations, nearest pixel in geometry) instead of Pillow's.
    """
    return auto_augment(weak_view(images, config, generator).contiguous(), config, generator)


def auto_augment(out: Tensor, config, generator: torch.Generator) -> Tensor:
    """Apply the policy to uint8 images (B, c, H, W), which are changed in place and returned."""
    policy = POLICIES[config.policy]
    choice = torch.randint(len(policy), (len(out),), generator=generator)
    for slot in (0, 1):
        chance = torch.rand(len(out), generator=generator)
        negative = torch.randint(2, (len(out),), generator=generator).bool()
        groups: dict[tuple, Tensor] = {}  # the images that an operation is applied to
        for number, pair in enumerate(policy):
            name, probability, level = pair[slot]
            applied = (choice == number) & (chance < probability)
            for sign in (False, True):
                members = applied & ((negative if name in SIGNED else False) == sign)
                groups[name, level, sign] = groups.get((name, level, sign), False) | members
        for (name, level, sign), members in groups.items():
            index = to_device(members.nonzero()[:, 0], out.device)
            if len(index):
                out.index_copy_(0, index, apply(out.index_select(0, index), name, level, sign, config.fill))
    return out


def resized_crop(images: Tensor, side: int, least: float, most: float, generator: torch.Generator) -> Tensor:
    """Resize a random part of each image (B, c, H, W) to a square of `side` pixels, and flip half of them.

    The part has a share of the image's area that is uniform in [least, most], and sides in a ratio from 3:4 to 4:3.

    Source: multi-crop of SwAV (arXiv:2006.09882); release, data/data_loader.py, RandomResizedCrop.
    Differs: a part that sticks out is cut at the border instead of drawn again.
    """
    batch, _, height, width = images.shape
    draws = torch.rand(batch, 5, generator=generator, dtype=torch.float64)
    area = (least + (most - least) * draws[:, 0]) * height * width
    ratio = torch.exp((2 * draws[:, 1] - 1) * math.log(4 / 3))
    rows = (area / ratio).sqrt().round().clamp(1, height)
    columns = (area * ratio).sqrt().round().clamp(1, width)
    top = (draws[:, 2] * (height - rows + 1)).floor().clamp(max=height - 1)
    left = (draws[:, 3] * (width - columns + 1)).floor().clamp(max=width - 1)
    boxes = torch.stack([top, left, rows, columns], dim=1).long().tolist()
    parts = [V.resized_crop(image, *box, [side, side], antialias=True) for image, box in zip(images, boxes)]
    flip = (draws[:, 4] < 0.5).to(images.device)[:, None, None, None]
    views = torch.stack(parts)
    return torch.where(flip, views.flip(3), views)


def apply(images: Tensor, name: str, level: int | None, negative: bool, fill: int) -> Tensor:
    """Apply one operation of AutoAugment at magnitude index `level` (0 to 9) to uint8 images (B, c, H, W)."""
    share, axis = (level or 0) / 9 * (-1 if negative else 1), "XY".find(name[-1])
    if name in ("Brightness", "Color", "Contrast", "Sharpness"):
        adjust = {"Color": V.adjust_saturation}.get(name) or getattr(V, f"adjust_{name.lower()}")
        return adjust(images, 1 + 0.9 * share)
    if name == "Posterize":
        return V.posterize(images, 8 - round(share * 4))
    if name == "Solarize":
        return V.solarize(images, 255 * (1 - share))
    if name not in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"):
        return getattr(V, name.lower())(images)
    angle, translate, shear, center = 0.0, [0, 0], [0.0, 0.0], None
    if name == "Rotate":
        angle = 30 * share  # degrees
    elif name.startswith("Shear"):
        shear[axis], center = torch.tensor(0.3 * share).atan().rad2deg().item(), [0, 0]  # degrees
    else:
        translate[axis] = round(150 / 331 * images.shape[3 - axis] * share)
    fill = [float(fill)] * images.shape[1]
    return V.affine(images, angle, translate, 1.0, shear, InterpolationMode.NEAREST, fill, center)
