"""What a network says of un-augmented images: predictions and per-sample losses, in eval mode and large batches."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop

from . import losses
from .augment import normalise
from .batches import Views
from .data.image_files import ImageFiles
from .data.prepare import Dataset
from .model import Network

BATCH = 2048  # images; on a CPU fewer, so that their maps stay near it (half the time, measured)
CPU_BATCH = 256
PIXELS = BATCH * 64 * 64  # at most, together


def normalise_views(views: Tensor, data: Dataset) -> Tensor:
    """uint8 views (V, B, c, H, W) -> float32, channels last in memory."""
    flat = views.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # as bytes: a quarter of the traffic
    return normalise(flat, data.mean, data.std).unflatten(0, views.shape[:2])


def normalise_batch(views: Views, data: Dataset) -> Views:
    """The same views as float32, channels last in memory."""
    kinds = (None if kind is None else normalise_views(kind, data) for kind in views[1:])
    return Views(views.index, *kinds)


@torch.no_grad()
def predict(net: Network, images: Tensor | ImageFiles, data: Dataset, crop: int = 0) -> tuple[Tensor, Tensor]:
    """Classify and project images.

    Parameters
    ----------
    net : Network
        Put into eval mode.
    images : Tensor or ImageFiles of shape (n, c, H, W), uint8
        On any device.
    data : Dataset
        Gives mean and deviation.
    crop : int
        Side of the middle part that is looked at, pixels; 0 = the whole image.

    Returns
    -------
    logits : Tensor of shape (n, C), float
    projection : Tensor of shape (n, D), float
        Unit rows.

    Source
    ------
    Release: eval_train and test.

    Differs
    -------
    nothing
    """
    net.eval()
    outputs, most = [], CPU_BATCH if net.prototypes.device.type == "cpu" else BATCH
    for part in images.split(max(1, min(most, PIXELS // images.shape[2:].numel()))):
        part = center_crop(part, [crop, crop]) if crop else part
        part = normalise_views(part.to(net.prototypes.device)[None], data)[0]
        outputs.append(net(part))
    return torch.cat([out.logits for out in outputs]), torch.cat([out.projection for out in outputs])


def per_sample(net: Network, images: Tensor, given: Tensor, data: Dataset, crop: int = 0) -> dict[str, Tensor]:
    """Outputs and losses of every training image: the divide pass.

    Parameters
    ----------
    net : Network
        Put into eval mode.
    images : Tensor of shape (N, c, H, W), uint8
        Training images.
    given : Tensor of shape (N,), int64
        Given labels.
    data : Dataset
        Gives mean and deviation.
    crop : int
        See `predict`.

    Returns
    -------
    dict of str to Tensor
        logits and proto_logits (N, C), projection (N, D), loss_cls and loss_proto (N,) in nats.

    Source
    ------
    Release: eval_train.

    Differs
    -------
    Vectorised; the release writes sample by sample.
    """
    logits, projection = predict(net, images, data, crop)
    proto_logits = net.proto_logits(projection)
    return {
        "logits": logits,
        "projection": projection,
        "proto_logits": proto_logits,
        "loss_cls": F.cross_entropy(logits, given, reduction="none"),
        "loss_proto": F.cross_entropy(proto_logits, given, reduction="none"),
    }


def accuracy(nets: list[Network], images: Tensor, labels: Tensor, data: Dataset, crop: int = 0) -> float:
    """Share of images whose label is the argmax of the networks' summed logits, in [0, 1]; NaN without images."""
    if not len(images):
        return float("nan")
    logits = sum(predict(net, images, data, crop)[0] for net in nets)
    return float((logits.argmax(dim=1).cpu() == labels.cpu()).double().mean())


@torch.no_grad()
def negative_pairs(projections: Tensor, mask: Tensor, true: Tensor, temperature: float) -> dict[str, float]:
    """What the negative pairs of a batch are, knowing the true labels.

    Parameters
    ----------
    projections : Tensor of shape (B, V, D), float
        Views of each image.
    mask : Tensor of shape (B, B), int8
        -1 marks the negative pairs.
    true : Tensor of shape (B,), int64
        True labels.
    temperature : float
        tau of the contrastive loss.

    Returns
    -------
    dict of str to float
        `false_negatives`: share of the negative pairs that have one true class. `false_weight`: their share of an
        anchor's softmax weight over its negatives, mean over the anchors that have one. `nearest_negative`: largest
        cosine of an anchor with a negative, mean over the same anchors. NaN without negatives.
    """
    _, scaled = losses.similarities(projections, mask, temperature)
    views = projections.shape[1]
    same = (true[:, None] == true[None]).repeat(views, views)  # (B, B) -> (V*B, V*B)
    negative = scaled > -torch.inf
    if not negative.any():
        return dict.fromkeys(("false_negatives", "false_weight", "nearest_negative"), float("nan"))
    scaled, same, some = (rows[negative.any(dim=1)] for rows in (scaled, same, negative))
    weight = (scaled.softmax(dim=1) * same).sum(dim=1)
    found = (same & some).sum() / some.sum(), weight.mean(), scaled.amax(dim=1).mean() * temperature
    return dict(zip(("false_negatives", "false_weight", "nearest_negative"), (float(value) for value in found)))
