"""PreAct-ResNet backbones, the two heads, and the prototypes."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import check_labels, require

PROJECTION = 128  # D, width of the projection
PROTO_TEMPERATURE = 0.1  # divides cosine similarities to the prototypes


class Output(NamedTuple):
    """What a network says of a batch: `logits` (B, C) and unit-length `projection` (B, D)."""

    logits: Tensor
    projection: Tensor


class PreActBlock(nn.Module):
    """Pre-activation residual block: BN, ReLU, 3x3; twice; shortcut from after the first ReLU."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        changes = stride != 1 or inputs != width
        self.shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x), inplace=True)
        shortcut = x if self.shortcut is None else self.shortcut(out)
        return self.conv2(F.relu(self.bn2(self.conv1(out)), inplace=True)) + shortcut


class Network(nn.Module):
    """Backbone f, classifier g, projector h and prototypes P of one of the two networks.

    Parameters
    ----------
    num_classes : int
        C.
    in_channels : int
        1 for grey, 3 for colour images.
    width : int
        Channels of the first stage; doubled from stage to stage. 64 in the paper.
    blocks : tuple of int
        Blocks a stage, four stages. (2, 2, 2, 2) is PreAct-ResNet-18.
    stem_stride : int
        Stride of the first convolution. 1 in the paper; 2 makes a small network four times cheaper.
    generator : torch.Generator
        Draws the initial weights; the global random state is left alone.

    Source
    ------
    Release: models/PreResNet.py (stem convolution, BN, ReLU; no BN after the last block).

    Differs
    -------
    Mean over the last map of any size; the release pools 4 x 4, which is the same at 32 pixels.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        width: int = 64,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        stem_stride: int = 1,
        *,
        generator: torch.Generator,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            super().__init__()
            self.stem = nn.Conv2d(in_channels, width, 3, stem_stride, 1, bias=False)
            self.bn = nn.BatchNorm2d(width)
            layers, inputs = [], width
            for stage, count in enumerate(blocks):
                for block in range(count):
                    stride = 2 if stage and not block else 1
                    layers.append(PreActBlock(inputs, width << stage, stride))
                    inputs = width << stage
            self.layers = nn.Sequential(*layers)
            self.classifier = nn.Linear(inputs, num_classes)
            self.projector = nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, PROJECTION))
        self.register_buffer("prototypes", torch.zeros(num_classes, PROJECTION))

    def features(self, images: Tensor) -> Tensor:
        """Backbone: images (B, channels, H, W) -> (B, d)."""
        x = F.relu(self.bn(self.stem(images)), inplace=True)
        return self.layers(x).mean(dim=(2, 3))  # (B, d, h, w) -> (B, d)

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
    """Normalised mean projection of every class.

    Parameters
    ----------
    projections : Tensor of shape (N, D), float
        Projections of un-augmented images.
    labels : Tensor of shape (N,), int64
        Given labels in [0, C).
    num_classes : int
        C.

    Returns
    -------
    Tensor of shape (C, D), float
        Unit rows; zero for a class without samples.

    Raises
    ------
    ValueError
        If shapes disagree or a label lies outside [0, C).

    Source
    ------
    Release: utils/train_utils.py, prototypes after warm-up.

    Differs
    -------
    A class without samples gives a zero row, the release stops on an assertion.
    """
    require(projections.ndim == 2, "projections", "of shape (N, D)", tuple(projections.shape), "One row a sample.")
    check_labels(labels, num_classes, size=len(projections))
    sums = projections.new_zeros(num_classes, projections.shape[1]).index_add_(0, labels, projections)
    return F.normalize(sums, dim=1)


def update_prototypes(prototypes: Tensor, projections: Tensor, labels: Tensor, momentum: float = 0.99) -> Tensor:
    """Move the prototypes towards the class means of the selected samples.

    Parameters
    ----------
    prototypes : Tensor of shape (C, D), float
        Present prototypes, unit rows.
    projections : Tensor of shape (N, D), float
        Projections of the selected samples.
    labels : Tensor of shape (N,), int64
        Their predicted labels.
    momentum : float
        Share of the old prototype, in [0, 1].

    Returns
    -------
    Tensor of shape (C, D), float
        New unit rows; classes without samples keep theirs.

    Raises
    ------
    ValueError
        If shapes disagree, a label lies outside [0, C) or `momentum` outside [0, 1].

    Source
    ------
    Release: utils/train_utils.py, prototype update.

    Differs
    -------
    nothing
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


def select_confident(
    state: SelfAdaptive, proto_logits: Tensor, cls_logits: Tensor, progress: float, momentum: float = 0.99
) -> tuple[SelfAdaptive, Tensor, Tensor]:
    """Choose the samples that may move the prototypes, with thresholds that follow the training.

    Parameters
    ----------
    state : SelfAdaptive
        Threshold and mean prediction so far; both start at 1 / C.
    proto_logits, cls_logits : Tensor of shape (N, C), float
        Outputs of the divide pass.
    progress : float
        Epoch over number of epochs, in [0, 1]; weight moves from the classifier to the prototypes and back to
        follow ``alpha = (1 + cos(pi progress)) / 2``.
    momentum : float
        Share of the old state, in [0, 1].

    Returns
    -------
    state : SelfAdaptive
        New state.
    selected : Tensor of shape (N,), bool
        Samples at or above their class's threshold.
    predicted : Tensor of shape (N,), int64
        Predicted labels.

    Source
    ------
    FreeMatch (arXiv:2205.07246), equations 5 to 8; release: utils/train_utils.py, pseudo_selection.

    Differs
    -------
    nothing
    """
    alpha = (1 + math.cos(math.pi * progress)) / 2
    p = torch.softmax((1 - alpha) * proto_logits + alpha * cls_logits, dim=1)
    confidence, predicted = p.max(dim=1)
    tau = momentum * state.tau + (1 - momentum) * confidence.mean()
    p_model = momentum * state.p_model + (1 - momentum) * p.mean(dim=0)
    selected = confidence >= tau * (p_model / p_model.max())[predicted]
    return SelfAdaptive(tau, p_model), selected, predicted
