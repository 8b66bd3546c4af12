"""Backbones: images to feature vectors. PreAct-ResNet is here, the large ones come from torchvision and timm."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .engine.checks import require


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with padding 1; where one pixel comes out, weights that meet only padding are left out.

    They change neither the output nor a gradient, but took a seventh of a small network's step (CPU with AVX2).
    """

    def forward(self, x: Tensor) -> Tensor:
        side = x.shape[2]
        if side > min(self.stride[0], 2) or side != x.shape[3]:
            return super().forward(x)
        met = self.weight[:, :, 1 : 1 + side, 1 : 1 + side]
        return F.conv2d(x, met.contiguous(memory_format=torch.channels_last))


class PreActBlock(nn.Module):
    """Pre-activation residual block: BN, ReLU, 3x3 convolution, twice; the shortcut starts after the first ReLU.

    Source: release, models/resnet.py; there, too, a shortcut without a projection adds what the first ReLU gives.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = Conv3x3(inputs, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = Conv3x3(width, width, 3, 1, 1, bias=False)
        self.stride = stride
        self.shortcut = nn.Conv2d(inputs, width, 1, bias=False) if stride != 1 or inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x), inplace=True)
        shortcut = out
        if self.shortcut is not None:  # every stride-th pixel first: torch 2.14 corrupts memory in narrow strided 1x1
            step = self.stride
            shortcut = self.shortcut(out[:, :, ::step, ::step].contiguous(memory_format=torch.channels_last))
        return self.conv2(F.relu(self.bn2(self.conv1(out)), inplace=True)).add_(shortcut)


class PreActResNet(nn.Module):
    """Pre-activation residual network without a head.

    `width` channels in the first stage (64 in the paper) double from stage to stage, `blocks` counts the blocks of each
    (2, 2, 2, 2 is PreAct-ResNet-18). `stem_stride` is 1 in the paper. The last map is averaged to `pooled` x `pooled`;
    the feature length `dim` is that times the last channels.

    Source: release, models/resnet.py (no BN after the last block); it averages 4 x 4 pixels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        stem_stride: int = 1,
        pooled: int = 1,
    ) -> None:
        super().__init__()
        self.stem = Conv3x3(in_channels, width, 3, stem_stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        layers, inputs = [], width
        for stage, count in enumerate(blocks):
            for block in range(count):
                layers.append(PreActBlock(inputs, width << stage, 2 if stage and not block else 1))
                inputs = width << stage
        self.layers = nn.Sequential(*layers)
        self.pooled, self.dim = pooled, inputs * pooled**2

    def forward(self, images: Tensor) -> Tensor:
        maps = self.layers(F.relu(self.bn(self.stem(images)), inplace=True))
        if self.pooled == 1:
            return maps.mean(dim=(2, 3))  # (B, d, h, w) -> (B, d)
        return F.adaptive_avg_pool2d(maps, self.pooled).flatten(1)  # -> (B, d)


def make(kind: str, in_channels: int, pretrained: bool = False, **preact: object) -> tuple[nn.Module, int]:
    """Make a backbone by name: the module, images (B, c, H, W) to features (B, d), and d.

    `kind` is preact (see `PreActResNet`), resnet50 (torchvision; `pretrained` starts from its ImageNet weights, which
    are downloaded unless they are in torch's cache) or inception_resnet_v2 (timm, the extra "large").
    """
    if kind == "preact":
        net = PreActResNet(in_channels, **preact)
        return net, net.dim
    require(in_channels == 3, "images", f"in colour for {kind}", f"{in_channels} channel", "Repeat the channel.")
    if kind == "resnet50":
        from torchvision.models import ResNet50_Weights, resnet50

        try:
            net = resnet50(weights=ResNet50_Weights.IMAGENET1K_V1 if pretrained else None)
        except OSError as error:
            remedy = "Download them once into torch's cache (TORCH_HOME), or set pretrained to False."
            raise ValueError(f"pretrained weights must be downloadable or present, got {error!r}. {remedy}") from error
        net.fc = nn.Identity()
        return net, 2048
    require(kind == "inception_resnet_v2", "backbone", "preact, resnet50 or inception_resnet_v2", kind, "See Config.")
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"backbone {kind} needs timm. Install the extra: pip install -e .[large].") from error
    net = timm.create_model(kind, pretrained=False, num_classes=0)
    return net, net.num_features
