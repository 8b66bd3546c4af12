"""Backbones: the released pooling, and the large ones by torchvision and timm."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from plremix_core.backbones import Conv3x3, PreActBlock, PreActResNet, make
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


@pytest.mark.parametrize("side", [7, 8])
def test_a_shortcut_of_stride_two_is_the_strided_convolution_of_the_release(side):
    block = PreActBlock(16, 32, 2).double().eval()
    x = torch.randn(3, 16, side, side, generator=seeded(), dtype=torch.float64)
    out = F.relu(block.bn1(x))
    expected = F.conv2d(out, block.shortcut.weight, stride=2) + block.conv2(F.relu(block.bn2(block.conv1(out))))
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)


NARROW = """
import numpy as np, torch
from plremix_core import data
from plremix_core.backbones import PreActBlock
from plremix_core.config import Config
from plremix_core.trainer import Trainer
torch.set_num_threads(1)
for width in range(1, 9):
    for stride in (1, 2):
        for side in (7, 8, 16):
            for outputs in (width, 2 * width):
                block = PreActBlock(width, outputs, stride).to(memory_format=torch.channels_last)
                for _ in range(3):
                    x = torch.randn(16, width, side, side).contiguous(memory_format=torch.channels_last)
                    block(x.requires_grad_()).square().sum().backward()
images, labels = np.random.default_rng(0).integers(256, size=(64, 16, 16, 3), dtype=np.uint8), np.arange(64) % 4
config = Config(width=4, blocks=(1, 1), batch_size=8, steps_per_epoch=3, epochs=2, warm_up=1, kappa=((0, 1),))
history = Trainer(config, data.from_arrays(images, labels, images, labels, tuple("abcd"))).fit(progress=False)
print("finite:", bool(np.isfinite(history.table["total_1"]).all()))
"""


@pytest.mark.slow
def test_narrow_blocks_and_a_training_with_them_end_well_without_avx_512():
    """torch 2.14.1 corrupts the heap in a strided 1x1 convolution of fewer than 8 channels; see `PreActBlock`."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run([sys.executable, "-c", NARROW], env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "finite: True\n"), done.stderr


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (2, 2), (4, 2), (4, 4), (2, 1), (3, 2)])
def test_a_convolution_that_leaves_weights_on_the_padding_out_gives_what_torch_s_gives(side, stride):
    layer = Conv3x3(5, 7, 3, stride, 1, bias=False)
    images = torch.randn(3, 5, side, side, generator=seeded(), requires_grad=True)
    weight = layer.weight.detach().clone().requires_grad_()
    out, expected = layer(images), F.conv2d(images, weight, stride=layer.stride, padding=1)
    torch.testing.assert_close(out, expected)
    mine = torch.autograd.grad(out.square().sum(), [images, layer.weight])
    torch.testing.assert_close(mine, torch.autograd.grad(expected.square().sum(), [images, weight]))


def test_a_convolution_of_maps_that_are_not_square_pads_them():
    layer, images = Conv3x3(2, 3, 3, 2, 1, bias=False), torch.randn(1, 2, 2, 4, generator=seeded())
    torch.testing.assert_close(layer(images), F.conv2d(images, layer.weight, stride=2, padding=1))
