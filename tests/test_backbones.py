"""Backbones: the released pooling, and the large ones by torchvision and timm."""

import sys

import pytest
import torch
import torch.nn.functional as F

from plremix_core import backbones
from plremix_core.backbones import Conv2d, PreActResNet, make
from plremix_core.model import Network


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("side", "pooled"), [(32, 1), (64, 2)])
def test_the_pooled_map_is_the_release_s_average_over_four_by_four(side, pooled):
    net = PreActResNet(3, width=4, blocks=(1, 1, 1, 1), pooled=pooled).eval()
    images = torch.randn(2, 3, side, side, generator=seeded())
    maps = net.layers(F.relu(net.bn(net.stem(images))))
    expected = F.avg_pool2d(maps, 4).flatten(1)
    assert net(images).shape == (2, net.dim) == (2, 32 * pooled**2)
    torch.testing.assert_close(net(images), expected)


def test_tiny_imagenet_s_network_has_the_released_size():
    net = Network(200, width=64, pooled=2, generator=seeded())
    assert net.classifier.in_features == 2048  # the release multiplies its 512 by 4
    assert net.projector[0].weight.shape == (2048, 2048)


def test_resnet50_classifies_and_projects():
    net = Network(14, 3, "resnet50", generator=seeded()).eval()
    out = net(torch.randn(2, 3, 64, 64, generator=seeded()))
    assert out.logits.shape == (2, 14) and out.projection.shape == (2, 128)
    assert sum(p.numel() for p in net.backbone.parameters()) == 23_508_032  # 25,557,032 less the head's 2,049,000


def test_inception_resnet_v2_classifies_and_projects():
    pytest.importorskip("timm")
    net = Network(50, 3, "inception_resnet_v2", generator=seeded()).eval()
    out = net(torch.randn(1, 3, 128, 128, generator=seeded()))
    assert out.logits.shape == (1, 50) and out.projection.shape == (1, 128)
    assert net.classifier.in_features == 1536


@pytest.mark.parametrize("kind", ["preact", "resnet50"])
def test_initial_weights_follow_from_the_generator_alone(kind):
    before = torch.random.get_rng_state()
    options = dict(width=4, blocks=(1,)) if kind == "preact" else {}
    a, b, c = (Network(3, 3, kind, generator=seeded(s), **options).state_dict() for s in (1, 1, 2))
    assert all((a[name] == b[name]).all() for name in a)
    assert any((a[name] != c[name]).any() for name in a)
    assert (torch.random.get_rng_state() == before).all()


def test_grey_images_and_unknown_backbones_are_refused():
    with pytest.raises(ValueError, match="images must be in colour for resnet50, got '1 channel'"):
        make("resnet50", 1)
    with pytest.raises(ValueError, match="backbone must be preact, resnet50 or inception_resnet_v2, got 'vgg'"):
        make("vgg", 3)


def test_without_timm_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"Install the extra: pip install -e .\[large\]"):
        make("inception_resnet_v2", 3)


def test_weights_that_cannot_be_had_are_named(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models.resnet50", refuse)
    with pytest.raises(ValueError, match="pretrained weights must be downloadable or present.*TORCH_HOME"):
        make("resnet50", 3, pretrained=True)


# channels, side, kernel, stride: what the small networks have
OWN_GRADIENT = [
    (32, 8, 3, 2),
    (64, 7, 3, 2),
    (128, 2, 3, 1),
    (64, 1, 3, 1),
    (16, 16, 1, 2),
    (64, 3, 1, 2),
    (8, 4, 1, 1),
]
TORCH_S_GRADIENT = [(16, 16, 3, 1), (16, 16, 3, 2), (32, 8, 3, 1), (3, 32, 3, 2)]


def gradients(conv, x, towards, precision):
    x = x.detach().clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        out = conv(x)
    return out, *torch.autograd.grad(out, [x, conv.weight], towards.to(out.dtype))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(("channels", "side", "kernel", "stride"), OWN_GRADIENT + TORCH_S_GRADIENT)
def test_bf16_gradients_of_a_convolution_are_those_of_float64(channels, side, kernel, stride, layout, monkeypatch):
    used, own = [], backbones._Convolution.apply
    monkeypatch.setattr(backbones._Convolution, "apply", lambda *arguments: used.append(1) or own(*arguments))
    options = dict(stride=stride, padding=kernel // 2, bias=False)
    conv = Conv2d(channels, 24, kernel, **options).to(memory_format=layout)
    exact = torch.nn.Conv2d(channels, 24, kernel, **options).double()
    for tensor in (conv.weight.data, exact.weight.data):
        tensor.copy_(torch.randn(tensor.shape, generator=seeded(1)).bfloat16())  # the same numbers in both precisions
    x = torch.randn(5, channels, side, side, generator=seeded(2)).bfloat16().float().to(memory_format=layout)
    towards = torch.randn(exact(x.double()).shape, generator=seeded(3)).bfloat16().float()
    found, expected = gradients(conv, x, towards, "bf16"), gradients(exact, x.double(), towards.double(), "float64")
    for value, wanted in zip(found, expected, strict=True):
        assert value.shape == wanted.shape
        assert (value.double() - wanted).abs().max() <= 2**-8 * wanted.abs().max()  # bf16 keeps eight bits
    assert bool(used) == ((channels, side, kernel, stride) in OWN_GRADIENT)


def test_in_float32_and_without_gradients_a_convolution_is_torch_s_to_the_bit(monkeypatch):
    monkeypatch.setattr(backbones._Convolution, "apply", None)  # would fail if called
    conv = Conv2d(64, 32, 3, stride=2, padding=1, bias=False)
    plain = torch.nn.Conv2d(64, 32, 3, stride=2, padding=1, bias=False)
    plain.load_state_dict(conv.state_dict())
    x, towards = torch.randn(4, 64, 4, 4, generator=seeded()), torch.ones(4, 32, 2, 2)
    found, expected = (gradients(layer, x, towards, "float32") for layer in (conv, plain))
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), plain(x))
