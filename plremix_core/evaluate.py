"""What a network says of un-augmented images: predictions and per-sample losses."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop

from .data.augment import normalise_views
from .data.dataset import Dataset
from .data.image_files import ImageFiles
from .model import Network

BATCH = 2048  # images; on a CPU fewer, so that their maps stay near it (half the time, measured)
CPU_BATCH = 256
PIXELS = BATCH * 64 * 64  # at most, together


@torch.no_grad()
def predict(net: Network, images: Tensor | ImageFiles, data: Dataset, crop: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (n, C) and unit projections (n, D) of uint8 images (n, c, H, W); puts `net` into eval mode.

    `data` gives mean and deviation; `crop` is the side of the middle part that is looked at, pixels (0 = all).
    """
    net.eval()
    outputs, most = [], CPU_BATCH if net.prototypes.device.type == "cpu" else BATCH
    for part in images.split(max(1, min(most, PIXELS // images.shape[2:].numel()))):
        part = center_crop(part, [crop, crop]) if crop else part
        part = normalise_views(part.to(net.prototypes.device)[None], data.mean, data.std)[0]
        outputs.append(net(part))
    return torch.cat([out.logits for out in outputs]), torch.cat([out.projection for out in outputs])


def per_sample(
    net: Network, images: Tensor | ImageFiles, given: Tensor, data: Dataset, crop: int = 0
) -> dict[str, Tensor]:
    """Outputs and losses for every training image, from which a split is made; arguments as for `predict`.

    Returns logits and proto_logits (N, C), projection (N, D), loss_cls and loss_proto (N,) in nats, by name.

    Source: release, utils/train_utils.py, gmm_selection.
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


def prototype_accuracy(outputs: dict[str, Tensor], true: Tensor | None) -> dict[str, float]:
    """Share of training images whose nearest prototype is that of the true class; nothing if that is not known."""
    if true is None:
        return {}
    return {"proto_accuracy": float((outputs["proto_logits"].argmax(dim=1).cpu() == true).double().mean())}
