"""Weak and strong views against single-image loops, Pillow and torchvision."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as single

from plremix_core.config import Config
from plremix_core.data import augment


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise_images(batch=6, channels=3, size=16, seed=0):
    return torch.randint(256, (batch, channels, size, size), dtype=torch.uint8, generator=seeded(seed))


def smooth_images(batch=6, channels=3, height=16, width=16):
    """Slopes and waves with different ranges, like photographs in that neighbours are alike."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    images = []
    for i in range(batch):
        waves = [128 + (40 + 10 * i) * torch.sin((x * (i + 1) + y * (c + 2)) / 6 + c) for c in range(channels)]
        images.append(torch.stack(waves))
    return torch.stack(images).clamp(0, 255).to(torch.uint8)


def settings(**changes):
    return Config(**({"pad": 2, "flip": True, "fill": 128} | changes))


# -------------------------------------------------------------------------------------------------- weak views


def crops(image, pad):
    """{(top, left, flipped): crop} for every crop of the zero-padded image."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * pad, width + 2 * pad, dtype=torch.uint8)
    padded[:, pad : pad + height, pad : pad + width] = image
    found = {}
    for top in range(2 * pad + 1):
        for left in range(2 * pad + 1):
            crop = padded[:, top : top + height, left : left + width]
            found[top, left, False] = crop
            found[top, left, True] = crop.flip(2)
    return found


def places(images, views, pad):
    """The one crop that each view is."""
    found = []
    for image, view in zip(images, views):
        matches = [place for place, crop in crops(image, pad).items() if (crop == view).all()]
        assert len(matches) == 1
        found.append(matches[0])
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_every_weak_view_is_a_crop_of_the_padded_image_or_its_mirror_image(channels):
    images = noise_images(200, channels, 6)
    views = augment.weak_view(images, settings(), seeded())
    assert views.shape == images.shape
    assert views.dtype == torch.uint8
    found = places(images, views, 2)
    tops, lefts, flips = (np.array(column) for column in zip(*found))
    assert np.bincount(tops, minlength=5) == pytest.approx(40, abs=20)
    assert np.bincount(lefts, minlength=5) == pytest.approx(40, abs=20)
    assert flips.mean() == pytest.approx(0.5, abs=0.12)
    assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.25


def test_images_need_not_be_square():
    images = torch.randint(256, (5, 3, 4, 9), dtype=torch.uint8, generator=seeded(1))
    places(images, augment.weak_view(images, settings(), seeded()), 2)


def test_without_flip_no_view_is_mirrored():
    images = noise_images(50, 1, 6)
    assert not any(flip for _, _, flip in places(images, augment.weak_view(images, settings(flip=False), seeded()), 2))


def test_without_padding_and_flip_the_weak_view_is_the_image():
    images = noise_images()
    assert (augment.weak_view(images, settings(pad=0, flip=False), seeded()) == images).all()


@pytest.mark.parametrize("view", [augment.weak_view, augment.strong_view])
@pytest.mark.parametrize("channels", [1, 3])
def test_views_keep_shape_and_dtype_and_leave_the_images_alone(view, channels):
    images = noise_images(8, channels, 12)
    copy = images.clone()
    views = view(images, settings(), seeded())
    assert views.shape == images.shape
    assert views.dtype == torch.uint8
    assert (images == copy).all()


@pytest.mark.parametrize("view", [augment.weak_view, augment.strong_view])
def test_views_are_seeded_and_leave_the_global_random_state_alone(view):
    images, state = noise_images(16), torch.get_rng_state()
    first = view(images, settings(), seeded(1))
    assert (view(images, settings(), seeded(1)) == first).all()
    assert (view(images, settings(), seeded(2)) != first).any()
    assert (torch.get_rng_state() == state).all()


@pytest.mark.parametrize("view", [augment.weak_view, augment.strong_view])
def test_a_view_does_not_depend_on_the_other_images(view):
    images, others = noise_images(40, seed=0), noise_images(40, seed=1)
    others[7] = images[7]
    a, b = view(images, settings(), seeded(3)), view(others, settings(), seeded(3))
    assert (a[7] == b[7]).all()
    assert (a[8] != b[8]).any()


@pytest.mark.parametrize("view", [augment.weak_view, augment.strong_view])
@pytest.mark.parametrize(
    "images", [torch.zeros(2, 3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)], ids=["float", "three dimensions"]
)
def test_images_that_are_not_uint8_of_four_dimensions_are_refused(view, images):
    with pytest.raises(ValueError, match=r"images must be uint8 of shape \(B, c, H, W\), got .*See data.from_arrays."):
        view(images, settings(), seeded())


# -------------------------------------------------------------------------------------------------- operations


def with_pillow(operation, image):
    array = image.permute(1, 2, 0).numpy()
    picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    out = np.asarray(operation(picture))
    return torch.from_numpy(out.copy()).reshape(array.shape).permute(2, 0, 1)


def assert_as_pillow(images, found, operation, tolerance):
    for image, ours in zip(images, found):
        worst = (ours.int() - with_pillow(operation, image).int()).abs().max()
        assert int(worst) <= tolerance


IMAGES = {"noise": noise_images(), "smooth": smooth_images(), "dark": smooth_images() // 8}
IMAGES["grey"] = smooth_images(channels=1)
every_image = pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)


@every_image
@pytest.mark.parametrize(
    ("name", "operation", "tolerance"),
    [("Invert", ImageOps.invert, 0), ("Equalize", ImageOps.equalize, 0), ("AutoContrast", ImageOps.autocontrast, 1)],
)
def test_operations_without_magnitude_are_those_of_pillow(images, name, operation, tolerance):
    assert_as_pillow(images, augment.apply(images, name, None, False, 0), operation, tolerance)


@every_image
def test_posterize_keeps_8_to_4_bits(images):
    for level, bits in ((0, 8), (3, 7), (5, 6), (7, 5), (9, 4)):
        found = augment.apply(images, "Posterize", level, False, 0)
        assert_as_pillow(images, found, lambda p: ImageOps.posterize(p, bits), 0)  # noqa: B023


@every_image
def test_solarize_inverts_from_255_down_to_0(images):
    for level, threshold in ((0, 255), (3, 170), (6, 85), (8, 28.333), (9, 0)):
        found = augment.apply(images, "Solarize", level, False, 0)
        assert_as_pillow(images, found, lambda p: ImageOps.solarize(p, threshold), 0)  # noqa: B023


@every_image
@pytest.mark.parametrize("name", ["Brightness", "Color", "Contrast", "Sharpness"])
def test_enhancements_are_those_of_pillow(images, name):
    for level, negative, factor in ((0, False, 1.0), (5, False, 1.5), (5, True, 0.5), (9, False, 1.9), (9, True, 0.1)):
        found = augment.apply(images, name, level, negative, 0)
        assert_as_pillow(images, found, lambda p: getattr(ImageEnhance, name)(p).enhance(factor), 2)  # noqa: B023


def nearest(image, source, fill):
    """The geometric operation that looks up `source(x, y)`, in pixel units; None where rounding could go either way."""
    channels, height, width = image.shape
    out = torch.full((channels, height, width), -1)
    for row in range(height):
        for column in range(width):
            x, y = source(column + 0.5, row + 0.5)
            if min(abs(x - round(x)), abs(y - round(y))) < 1e-3:
                continue  # on the edge between two pixels
            inside = 0 <= x < width and 0 <= y < height
            out[:, row, column] = image[:, math.floor(y), math.floor(x)].int() if inside else fill
    return out


def assert_looks_up(images, found, source, fill):
    for image, ours in zip(images, found):
        expected = nearest(image, source, fill)
        known = expected >= 0
        assert known.double().mean() > 0.8
        assert (ours.int()[known] == expected[known]).all()


GEOMETRY = [IMAGES["noise"], smooth_images(channels=1, height=12, width=20)]
signs = pytest.mark.parametrize("negative", [False, True])
levels = pytest.mark.parametrize("level", [1, 4, 9])
colours_and_grey = pytest.mark.parametrize("images", GEOMETRY, ids=["square, colour", "oblong, grey"])


@signs
@levels
@colours_and_grey
def test_shear_moves_a_pixel_by_up_to_three_tenths_of_its_distance_from_the_edge(images, level, negative):
    slope = 0.3 * level / 9 * (-1 if negative else 1)
    assert_looks_up(images, augment.apply(images, "ShearX", level, negative, 77), lambda x, y: (x + slope * y, y), 77)
    assert_looks_up(images, augment.apply(images, "ShearY", level, negative, 77), lambda x, y: (x, y + slope * x), 77)


@signs
@levels
@colours_and_grey
def test_translation_is_a_share_of_the_size_in_whole_pixels(images, level, negative):
    share = 150 / 331 * level / 9 * (-1 if negative else 1)
    right, down = round(images.shape[3] * share), round(images.shape[2] * share)
    for name, step in (("TranslateX", (right, 0)), ("TranslateY", (0, down))):
        found = augment.apply(images, name, level, negative, 9)
        assert_looks_up(images, found, lambda x, y, s=step: (x - s[0], y - s[1]), 9)


@signs
@levels
@colours_and_grey
def test_rotation_turns_about_the_centre_by_up_to_30_degrees(images, level, negative):
    angle = math.radians(30 * level / 9 * (-1 if negative else 1))
    cx, cy = images.shape[3] / 2, images.shape[2] / 2

    def source(x, y):
        return (
            math.cos(angle) * (x - cx) + math.sin(angle) * (y - cy) + cx,
            -math.sin(angle) * (x - cx) + math.cos(angle) * (y - cy) + cy,
        )

    assert_looks_up(images, augment.apply(images, "Rotate", level, negative, 128), source, 128)


@pytest.mark.parametrize("name", ["ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Posterize"])
def test_operations_at_level_zero_change_nothing(name):
    assert (augment.apply(IMAGES["noise"], name, 0, False, 0) == IMAGES["noise"]).all()


OPERATIONS = [
    "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness",
    "Posterize", "Solarize", "Invert", "Equalize", "AutoContrast",
]  # fmt: skip


def by_torchvision(image, name, level, negative, fill):
    """One operation on one image, as torchvision's own AutoAugment does it, but translating by rounded pixels."""
    share, sign = (level or 0) / 9, -1 if negative else 1
    if name in ("Brightness", "Color", "Contrast", "Sharpness"):
        function = {"Color": single.adjust_saturation}.get(name) or getattr(single, f"adjust_{name.lower()}")
        return function(image, 1 + sign * 0.9 * share)
    if name == "Posterize":
        return single.posterize(image, 8 - round(4 * share))
    if name == "Solarize":
        return single.solarize(image, 255 - 255 * share)
    if name in ("Invert", "Equalize", "AutoContrast"):
        return getattr(single, name.lower())(image)
    turn, shift, shear, center = 0.0, [0, 0], [0.0, 0.0], None
    if name == "Rotate":
        turn = sign * 30 * share
    elif name.startswith("Shear"):
        shear["XY".index(name[-1])] = math.degrees(math.atan(sign * 0.3 * share))
        center = [0, 0]
    else:
        axis = "XY".index(name[-1])
        shift[axis] = round(sign * share * 150 / 331 * image.shape[2 - axis])
    fills = [float(fill)] * image.shape[0]
    return single.affine(image, turn, shift, 1.0, shear, InterpolationMode.NEAREST, fills, center)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_gets_what_torchvision_gives_one_image(name, channels):
    images = torch.cat([noise_images(3, channels), smooth_images(3, channels)])
    tolerance = 1 if name in ("Brightness", "Color", "Contrast", "Sharpness", "AutoContrast") else 0
    for level in range(10):
        for negative in (False, True) if name in augment.SIGNED else (False,):
            found = augment.apply(images, name, level, negative, 128)
            expected = torch.stack([by_torchvision(image, name, level, negative, 128) for image in images])
            off = (found.int() - expected.int()).abs()
            assert int(off.max()) <= tolerance


def test_policy_has_25_pairs_of_known_operations():
    assert len(augment.POLICIES["cifar10"]) == 25
    assert {name for pair in augment.POLICIES["cifar10"] for name, _, _ in pair} <= set(OPERATIONS)


def chains(image, pair, fill):
    """All images that a pair of operations can make of one image: each applied or not, with either sign."""
    steps = []
    for name, _, level in pair:
        ways = (False, True) if name in augment.SIGNED else (False,)
        steps.append([None] + [(name, level, negative) for negative in ways])
    for first in steps[0]:
        start = image if first is None else by_torchvision(image, *first, fill)
        for second in steps[1]:
            yield start if second is None else by_torchvision(start, *second, fill)


def test_every_strong_view_is_made_by_one_pair_of_the_policy():
    images = smooth_images(12)
    config = settings(pad=0, flip=False)
    changed = 0
    for image, view in zip(images, augment.strong_view(images, config, seeded(5))):
        possible = torch.stack([out for pair in augment.POLICIES["cifar10"] for out in chains(image, pair, 128)])
        assert int((possible.int() - view.int()).abs().flatten(1).max(dim=1).values.min()) <= 2
        changed += int((view != image).any())
    assert changed >= 6


def test_strong_views_bring_in_the_fill_value():
    white = torch.full((200, 1, 12, 12), 255, dtype=torch.uint8)
    config = settings(pad=0, flip=False, fill=77)
    views = augment.strong_view(white, config, seeded())
    assert (views == 77).flatten(1).any(dim=1).double().mean() > 0.1


def test_strong_views_differ_from_image_to_image():
    same = smooth_images(1).expand(200, -1, -1, -1)
    views = augment.strong_view(same, settings(pad=0, flip=False), seeded())
    assert len({view.numpy().tobytes() for view in views}) > 25


# ---------------------------------------------------------------------------------------------- normalising


def test_normalise_shifts_and_scales_every_channel():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    found = augment.normalise_views(images[None], (0.5, 0.1, 0.4), (0.25, 0.2, 0.3))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.flatten(), torch.tensor([-2.0, 0.5, 2.0]), rtol=1e-5, atol=1e-6)


def test_normalised_views_are_the_images_normalised_view_by_view_channels_last_in_memory():
    views, statistics = torch.stack([noise_images(seed=seed) for seed in (0, 1, 2)]), ((0.5, 0.1, 0.4), (0.2, 0.3, 0.4))
    found = augment.normalise_views(views, *statistics)
    mean, std = (torch.tensor(values).view(-1, 1, 1) * 255 for values in statistics)
    assert torch.equal(found, (views.float() - mean) / std)
    assert all(view.is_contiguous(memory_format=torch.channels_last) for view in found)
