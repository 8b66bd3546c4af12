"""Backbones: images to feature vectors. PreAct-ResNet is here, the large ones come from torchvision and timm."""

import contextlib
import functools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .engine.checks import require


class Conv2d(nn.Conv2d):
    """torch's, except that on a CPU in bf16 the gradient of the weights may be found by one matrix product.

    Its own takes up to ten times as long for few output pixels, strides of two and 1x1 kernels (measured).
    """

    def forward(self, x: Tensor) -> Tensor:
        few = x.shape[1] >= 32 and (self.stride[0] > 1 or x.shape[2] * x.shape[3] <= 4)
        bf16 = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        if bf16 and (few or self.kernel_size[0] == 1) and not torch.compiler.is_compiling():
            x, weight = (tensor.to(torch.get_autocast_dtype("cpu")) for tensor in (x, self.weight))
            return _Convolution.apply(x, weight, self.stride[0], self.padding[0])
        return super().forward(x)


class _Convolution(torch.autograd.Function):
    """Convolution of x (B, c, H, W) with weight (o, c, k, k) to (B, o, h, w); pixels = B h w."""

    @staticmethod
    def forward(context, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        context.save_for_backward(x, weight)
        context.settings = stride, padding
        return F.conv2d(x, weight, None, stride, padding)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (x, weight), (stride, padding) = context.saved_tensors, context.settings
        side = weight.shape[2]
        rows = gradient.permute(0, 2, 3, 1).flatten(0, 2)  # (B, o, h, w) -> (pixels, o)
        padded = F.pad(x, [padding] * 4) if padding else x
        patches = padded.permute(0, 2, 3, 1).unfold(1, side, stride).unfold(2, side, stride)  # (B, h, w, c, k, k)
        columns = patches.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)  # -> (pixels, k k c)
        of_weight = (rows.T @ columns).view(len(weight), side, side, -1).permute(0, 3, 1, 2)
        if side == 1:  # the pixels in between have no gradient
            of_x = torch.zeros_like(x)
            of_x[:, :, ::stride, ::stride] = (rows @ weight.flatten(1)).view(patches.shape[:4]).permute(0, 3, 1, 2)
        else:
            settings = None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, [True, False, False]
            of_x = torch.ops.aten.convolution_backward(gradient, x, weight, *settings)[0]
        return of_x, of_weight, None, None


class PreActBlock(nn.Module):
    """Pre-activation residual block: BN, ReLU, 3x3; twice; shortcut from after the first ReLU."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = Conv2d(width, width, 3, 1, 1, bias=False)
        self.stride = stride
        self.shortcut = Conv2d(inputs, width, 1, bias=False) if stride != 1 or inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x), inplace=True)
        shortcut = out
        if self.shortcut is not None:  # every stride-th pixel first: torch 2.14 corrupts memory in narrow strided 1x1
            step = self.stride
            shortcut = self.shortcut(out[:, :, ::step, ::step].contiguous(memory_format=torch.channels_last))
        return self.conv2(F.relu(self.bn2(self.conv1(out)), inplace=True)).add_(shortcut)


class PreActResNet(nn.Module):
    """Pre-activation residual network without a head.

    Parameters
    ----------
    in_channels : int
        1 for grey, 3 for colour images.
    width : int
        Channels of the first stage; doubled from stage to stage. 64 in the paper.
    blocks : tuple of int
        Blocks a stage, four stages. (2, 2, 2, 2) is PreAct-ResNet-18.
    stem_stride : int
        Stride of the first convolution. 1 in the paper; 2 makes a small network four times cheaper.
    pooled : int
        Side of the map that the last one is averaged to; d is its size times the last stage's channels.

    Source
    ------
    Release: models/resnet.py (stem convolution, BN, ReLU; no BN after the last block).

    Differs
    -------
    The release averages 4 x 4 pixels, which is the whole map at 32 pixels and leaves 2 x 2 at 64; `pooled` names
    the result, so that images of any size can be used.
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
        self.stem = nn.Conv2d(in_channels, width, 3, stem_stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        layers, inputs = [], width
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if stage and not block else 1
                layers.append(PreActBlock(inputs, width << stage, stride))
                inputs = width << stage
        self.layers = nn.Sequential(*layers)
        self.pooled, self.dim = pooled, inputs * pooled**2

    def forward(self, images: Tensor) -> Tensor:
        maps = self.layers(F.relu(self.bn(self.stem(images)), inplace=True))
        if self.pooled == 1:
            return maps.mean(dim=(2, 3))  # (B, d, h, w) -> (B, d)
        return F.adaptive_avg_pool2d(maps, self.pooled).flatten(1)  # -> (B, d)


def make(kind: str, in_channels: int, pretrained: bool = False, **preact: object) -> tuple[nn.Module, int]:
    """Make a backbone.

    Parameters
    ----------
    kind : str
        preact, resnet50 (torchvision) or inception_resnet_v2 (timm, the extra "large").
    in_channels : int
        Channels of the images; the large ones take 3.
    pretrained : bool
        Start resnet50 from torchvision's ImageNet weights, which are downloaded unless they are in torch's cache.
    **preact : object
        See `PreActResNet`; not used by the others.

    Returns
    -------
    module : nn.Module
        Images (B, in_channels, H, W) to features (B, d).
    d : int

    Raises
    ------
    ValueError
        If `kind` is unknown, timm is not installed, the weights cannot be had, or the images are grey.

    Source
    ------
    Release: models/model_loader.py.

    Differs
    -------
    Inception-ResNet-v2 is timm's, not a copy of it.
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
        raise ValueError(
            "backbone must be installed, got no timm. Install the extra: pip install -e .[large]."
        ) from error
    net = timm.create_model(kind, pretrained=False, num_classes=0)
    return net, net.num_features


@contextlib.contextmanager
def one_by_one(net: nn.Module, parts: int) -> Iterator[None]:
    """Within, every BatchNorm takes `parts` equal parts of a batch one after the other, as if each came in a call.

    The rest of a network treats images one by one, so that a call with V views gives what V calls give, and leaves
    the same running statistics.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.forward = functools.partial(_in_parts, norm, parts)  # hides the class's method
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _in_parts(norm: nn.Module, parts: int, x: Tensor) -> Tensor:
    return torch.cat([type(norm).forward(norm, part) for part in x.chunk(parts)])
