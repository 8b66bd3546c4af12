"""Batches use every sample; passes give their views, also with several crops."""

import pytest
import torch

from plremix_core import batches
from plremix_core.config import Config
from plremix_core.data import augment


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def settings(**changes):
    return Config(**({"pad": 2} | changes))


STATISTICS = (0.5, 0.1, 0.4), (0.25, 0.2, 0.3)  # mean and deviation of each channel


def noise_images(count, channels=3, side=16):
    return torch.randint(256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(9))


@pytest.mark.parametrize(("n", "batch", "steps"), [(10, 4, 5), (3, 7, 4), (8, 8, 1), (1, 3, 2), (100, 7, 3)])
def test_batches_use_every_sample_once_a_round(n, batch, steps):
    indices = 5 * torch.arange(n) + 2
    order = batches.batch_order(indices, batch, steps, seeded())
    assert order.shape == (steps, batch)
    flat = order.flatten().tolist()
    for start in range(0, len(flat), n):
        part = flat[start : start + n]
        assert len(set(part)) == len(part)
        assert set(part) <= set(indices.tolist())


def test_rounds_are_shuffled_anew_and_seeded():
    indices = torch.arange(50)
    order = batches.batch_order(indices, 50, 2, seeded(1))
    assert (order[0] != order[1]).any()
    assert (order[0] != indices).any()
    assert (batches.batch_order(indices, 50, 2, seeded(1)) == order).all()
    assert (batches.batch_order(indices, 50, 2, seeded(2)) != order).any()


def test_no_sample_is_refused():
    with pytest.raises(ValueError, match="indices must be at least one sample, got 0. Give the part a sample."):
        batches.batch_order(torch.empty(0, dtype=torch.int64), 4, 1, seeded())


@pytest.mark.parametrize("steps_a_chunk", [1, 2, 100])
@pytest.mark.parametrize(("weak", "strong"), [(1, 0), (1, 2), (2, 2), (0, 3)])
def test_passes_equal_normalised_views_made_chunk_by_chunk(monkeypatch, steps_a_chunk, weak, strong):
    images, config, statistics = noise_images(20, 1, 8), settings(), ((0.4,), (0.3,))
    order = batches.batch_order(torch.arange(20), 4, 5, seeded(1))
    monkeypatch.setattr(batches, "CHUNK_BYTES", steps_a_chunk * 4 * (weak + strong) * 64)
    found = list(batches.passes(images, order, weak, strong, config, statistics, seeded(2)))
    generator, expected = seeded(2), []
    for part in order.split(steps_a_chunk):
        kinds = [augment.weak_view] * weak + [augment.strong_view] * strong
        made = [kind(images[part.flatten()], config, generator) for kind in kinds]
        for number in range(len(part)):
            views = torch.stack([view[4 * number : 4 * number + 4] for view in made])
            expected.append((views.float() / 255 - 0.4) / 0.3)
    assert [views.index.tolist() for views in found] == order.tolist()
    for views, right in zip(found, expected, strict=True):
        assert (views.weak.shape[0], views.strong.shape[0], views.small) == (weak, strong, None)
        torch.testing.assert_close(torch.cat([views.weak, views.strong]), right, rtol=1e-5, atol=1e-6)


def test_a_chunk_smaller_than_a_step_still_makes_whole_steps(monkeypatch):
    monkeypatch.setattr(batches, "CHUNK_BYTES", 1)
    order = batches.batch_order(torch.arange(6), 3, 2, seeded())
    found = batches.passes(noise_images(6), order, 1, 1, settings(), STATISTICS, seeded())
    assert [len(views.index) for views in found] == [3, 3]


MULTI = ((2, 12, 0.14, 1.0), (3, 6, 0.05, 0.14))


def test_multi_crop_gives_large_strong_and_small_views_of_the_same_images():
    images, config = noise_images(8), settings(crop=10, pad=0, multi_crop=MULTI, policy="imagenet")
    order = batches.batch_order(torch.arange(8), 4, 2, seeded())
    for views in batches.passes(images, order, 2, 2, config, STATISTICS, seeded()):
        assert views.weak.shape == (2, 4, 3, 10, 10)
        assert views.strong.shape == (2, 4, 3, 12, 12)
        assert views.small.shape == (3, 4, 3, 6, 6)


def test_without_contrast_multi_crop_makes_no_strong_views():
    order = batches.batch_order(torch.arange(8), 4, 2, seeded())
    for views in batches.passes(noise_images(8), order, 1, 0, settings(multi_crop=MULTI), STATISTICS, seeded()):
        assert (len(views.weak), len(views.strong), views.small) == (1, 0, None)


@pytest.mark.parametrize(("least", "most"), [(0.05, 0.14), (0.14, 1.0), (1.0, 1.0)])
def test_a_resized_crop_shows_a_part_of_the_asked_area(least, most):
    side = 60
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    image = torch.stack([4 * rows, 4 * columns, torch.zeros_like(rows)]).to(torch.uint8)
    views = augment.resized_crop(image.repeat(40, 1, 1, 1), 24, least, most, seeded(3)).double() / 4
    height = (views[:, 0].amax(dim=(1, 2)) - views[:, 0].amin(dim=(1, 2)) + 1) / side
    width = (views[:, 1].amax(dim=(1, 2)) - views[:, 1].amin(dim=(1, 2)) + 1) / side
    area = height * width
    assert area.max() <= most * 1.25 + 0.02 and area.min() >= least * 0.6 - 0.02  # bilinear edges blur by a pixel
    assert area.min() < 0.7 * most or least == most
    mirrored = views[:, 1, 0, 0] > views[:, 1, 0, -1]
    assert 5 < mirrored.sum() < 35


def test_resized_crops_follow_the_generator_and_leave_the_images_alone():
    images = noise_images(6)
    copy = images.clone()
    first, again, other = (augment.resized_crop(images, 8, 0.2, 1.0, seeded(s)) for s in (1, 1, 2))
    assert (first == again).all() and (first != other).any()
    assert (images == copy).all()
