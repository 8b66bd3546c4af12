"""A network with its two heads, the prototypes, and the samples that may move them."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import backbones
from .engine.checks import check_labels, require
from .label_losses import CrossEntropy

PROJECTION = 128  # D, width of the projection
PROTO_TEMPERATURE = 0.1  # divides cosine similarities to the prototypes


class Output(NamedTuple):
    """What a network says of a batch: `logits` (B, C) and unit-length `projection` (B, D)."""

    logits: Tensor
    projection: Tensor


class Network(nn.Module):
    """Backbone f, classifier g, projector h and prototypes P of one of the two networks.

    Parameters
    ----------
    num_classes, in_channels : int
        C; 1 for grey, 3 for colour images.
    kind : str
        Backbone; `options` are for it, see `backbones.make`.
    head : str
        mlp, or none: contrast and prototypes see the features themselves.
    label_loss : nn.Module, optional
        Loss of the given labels, see `methods`; cross-entropy by default.
    generator : torch.Generator
        Draws the initial weights; the global random state is left alone.
    precision : str
        float32, or bf16: the backbone under autocast; weights, statistics and heads stay float32.
    compile : bool
        Compile the backbone with torch.compile when it is first called.

    Source: release, models/model.py. It trains Clothing1M and WebVision in fp16 autocast, CIFAR with TF32.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        kind: str = "preact",
        *,
        head: str = "mlp",
        label_loss: nn.Module | None = None,
        generator: torch.Generator,
        precision: str = "float32",
        compile: bool = False,
        **options: object,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            super().__init__()
            self.backbone, width = backbones.make(kind, in_channels, **options)
            self.classifier = nn.Linear(width, num_classes)
            mlp = nn.Linear(width, width), nn.ReLU(), nn.Linear(width, PROJECTION)
            self.projector = nn.Sequential(*mlp) if head == "mlp" else nn.Identity()
        self.register_buffer("prototypes", torch.zeros(num_classes, PROJECTION if head == "mlp" else width))
        self.label_loss = label_loss or CrossEntropy(0, num_classes)
        self.precision = precision
        if compile:
            self.backbone.compile()  # in place: keys of the state stay

    def features(self, images: Tensor) -> Tensor:
        """Backbone: images (B, channels, H, W) -> (B, d)."""
        images = images.contiguous(memory_format=torch.channels_last)  # one layout: fast, and compiled once
        if self.precision == "float32":
            return self.backbone(images)
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.backbone(images).float()

    def project(self, images: Tensor) -> Tensor:
        """Unit-length projections (B, D) of images (B, channels, H, W)."""
        return F.normalize(self.projector(self.features(images)), dim=1)

    def classify(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, channels, H, W)."""
        return self.classifier(self.features(images))

    def forward(self, images: Tensor) -> Output:
        features = self.features(images)
        return Output(self.classifier(features), F.normalize(self.projector(features), dim=1))

    def proto_logits(self, projection: Tensor) -> Tensor:
        """Similarity to the prototypes over 0.1: (B, D) -> (B, C)."""
        return projection @ self.prototypes.T / PROTO_TEMPERATURE


def init_prototypes(projections: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Normalised mean projection of every class, (C, D), of projections (N, D) and labels (N,) in [0, C).

    A class without samples gets a zero row; the release (models/model.py, init_prototypes) stops on an assertion.
    """
    require(projections.ndim == 2, "projections", "of shape (N, D)", tuple(projections.shape), "One row a sample.")
    check_labels(labels, num_classes, size=len(projections))
    sums = projections.new_zeros(num_classes, projections.shape[1]).index_add_(0, labels, projections)
    return F.normalize(sums, dim=1)


def update_prototypes(prototypes: Tensor, projections: Tensor, labels: Tensor, momentum: float = 0.99) -> Tensor:
    """Move the prototypes (C, D) towards the class means of the selected samples, and normalise them.

    `projections` (N, D) are those of the selected samples, `labels` (N,) the classifier's for them; `momentum` in
    [0, 1] is the share of the old prototype. Classes without samples stay.

    Source: release, models/model.py, update_prototypes.
    """
    require(0 <= momentum <= 1, "momentum", "in [0, 1]", momentum, "The release uses 0.99.")
    means = init_prototypes(projections, labels, len(prototypes))
    moved = F.normalize(momentum * prototypes + (1 - momentum) * means, dim=1)
    present = torch.bincount(labels, minlength=len(prototypes)) > 0
    return torch.where(present[:, None], moved, prototypes)


class SelfAdaptive(NamedTuple):
    """State of the self-adaptive selection: global threshold `tau` () and mean prediction `p_model` (C,)."""

    tau: Tensor
    p_model: Tensor

    @classmethod
    def start(cls, classes: int, device: torch.device) -> "SelfAdaptive":
        """Both are 1 / C."""
        return cls(*(torch.full(shape, 1 / classes, device=device) for shape in ((), (classes,))))


def select_confident(
    state: SelfAdaptive, proto_logits: Tensor, cls_logits: Tensor, progress: float, momentum: float = 0.99
) -> tuple[SelfAdaptive, Tensor, Tensor]:
    """Choose the samples that may move the prototypes, with thresholds that follow the training.

    `state` holds threshold and mean prediction so far, of which the share `momentum` in [0, 1] is kept. The outputs
    (N, C) are those for all samples before the epoch. `progress` in [0, 1] is epoch over number of epochs: in their
    blend the classifier has the weight (1 + cos(pi progress)) / 2.

    Returned are the new state; which samples (N,) have a blended prediction that reaches the threshold of its class;
    and the classifier's labels (N,), under which these samples move the prototypes.

    Source: FreeMatch (arXiv:2205.07246), equations 5 to 8; release, utils/train_utils.py, pseudo_selection.
    """
    alpha = (1 + math.cos(math.pi * progress)) / 2
    p = torch.softmax((1 - alpha) * proto_logits + alpha * cls_logits, dim=1)
    confidence, blended = p.max(dim=1)
    tau = momentum * state.tau + (1 - momentum) * confidence.mean()
    p_model = momentum * state.p_model + (1 - momentum) * p.mean(dim=0)
    selected = confidence >= tau * (p_model / p_model.max())[blended]
    return SelfAdaptive(tau, p_model), selected, cls_logits.argmax(dim=1)
