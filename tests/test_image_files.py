"""Images in files: pixels, batches, reading ahead, bounded memory, broken files."""

import gc
import multiprocessing
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as V

from plremix_core.data import image_files
from plremix_core.data.image_files import ImageFiles, fetched, in_memory, memory_limit, read_image


def save(image, path):
    V.to_pil_image(image).save(path)


def noise_image(height, width, seed=0, channels=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (channels, height, width), generator=generator, dtype=torch.uint8)


@pytest.fixture
def few(tmp_path):
    """Seven PNG files of 6 x 6 pixels, and their pixels."""
    images = torch.stack([noise_image(6, 6, seed) for seed in range(7)])
    (tmp_path / "a").mkdir()
    for number, image in enumerate(images):
        save(image, tmp_path / "a" / f"{number}.png")
    return ImageFiles(tmp_path, [f"a/{number}.png" for number in range(7)], 0), images


# ---------------------------------------------------------------------------------------------------------- one image


def test_an_image_as_it_is_keeps_every_pixel(tmp_path):
    save(noise_image(5, 9), tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png", 0), noise_image(5, 9))


@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 71), (90, 40), (200, 41)])
def test_the_middle_square_is_resized(tmp_path, height, width):
    smooth = V.resize(noise_image(4, 4), [height, width])
    save(smooth, tmp_path / "a.png")
    found = read_image(tmp_path / "a.png", 32)
    assert found.shape == (3, 32, 32)
    release = V.center_crop(V.resize(smooth, [32], antialias=True), [32, 32])  # shorter side, then the middle
    assert (found.int() - release.int()).abs().double().mean() < 4  # of 255; half a pixel's shift


def test_an_image_of_the_right_size_is_not_resampled(tmp_path):
    save(noise_image(32, 32), tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png", 32), noise_image(32, 32))


def test_a_small_image_is_enlarged(tmp_path):
    save(noise_image(3, 5), tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 64).shape == (3, 64, 64)


def test_a_long_narrow_image_costs_no_memory(tmp_path, monkeypatch):
    sizes = []
    true = V.resize
    monkeypatch.setattr(
        image_files.V, "resize", lambda image, *a, **k: sizes.append(image.shape) or true(image, *a, **k)
    )
    save(noise_image(2, 5000), tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 64).shape == (3, 64, 64)
    assert sizes == [(3, 2, 2)]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.png"
    picture = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    picture.save(tmp_path / name)
    found = read_image(tmp_path / name, 4)
    assert found.shape == (3, 4, 4)
    assert found.min() > 240


@pytest.mark.parametrize("kind", ["jpg", "jpeg", "JPEG", "png", "webp", "bmp", "ppm", "tif", "TIFF"])
def test_kinds_of_files_that_are_read(tmp_path, kind):
    Image.new("RGB", (8, 8), (200, 30, 30)).save(tmp_path / f"a.{kind}")
    red, green, _ = read_image(tmp_path / f"a.{kind}", 0).float().mean(dim=(1, 2))
    assert red > 180 > 60 > green


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\xff\xd8\xff\xe0 not a picture"])
def test_a_broken_image_is_refused_by_name_with_the_remedy(tmp_path, content):
    (tmp_path / "bad.jpg").write_bytes(content)
    message = "image must be a readable picture, got .*bad.jpg: .*Replace the file, or move it"
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / "bad.jpg", 32)


def test_a_cut_image_and_a_missing_one_are_refused_by_name(tmp_path):
    save(noise_image(64, 64), tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 3])
    for name in ("cut.jpg", "absent.jpg"):
        with pytest.raises(ValueError, match=f"image must be a readable picture, got .*{name}"):
            read_image(tmp_path / name, 32)


# ------------------------------------------------------------------------------------------------------- as a tensor


def test_files_have_shape_length_and_device_of_the_tensor(few):
    files, images = few
    assert files.shape == images.shape
    assert isinstance(files.shape, torch.Size)
    assert (len(files), files.device, files[:].dtype) == (len(images), images.device, images.dtype)


@pytest.mark.parametrize(
    "index",
    [
        torch.tensor([4, 0, 0, 6]),
        torch.tensor([-1, 2]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([True, False, True, False, False, False, True]),
        slice(2, 5),
        slice(None, None, 3),
        slice(-2, None),
        3,
        -7,
    ],
)  # fmt: skip
def test_any_index_gives_what_a_tensor_gives(few, index):
    files, images = few
    assert torch.equal(files[index], images[index])


@pytest.mark.parametrize("index", [7, -8, torch.tensor([0, 7])])
def test_an_index_outside_is_refused(few, index):
    with pytest.raises(IndexError):
        few[0][index]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_split_gives_all_in_order(few, size):
    files, images = few
    parts = list(files.split(size))
    assert [len(part) for part in parts] == [len(part) for part in images.split(size)]
    assert torch.equal(torch.cat(parts), images)


def test_split_reads_no_more_bytes_at_a_time_than_allowed(few, monkeypatch):
    files, images = few
    monkeypatch.setattr(image_files, "PART_BYTES", 2 * 3 * 6 * 6)
    assert [len(part) for part in files.split(100)] == [2, 2, 2, 1]
    monkeypatch.setattr(image_files, "PART_BYTES", 1)
    assert [len(part) for part in files.split(100)] == [1] * 7


def test_subset_and_device_read_nothing(few, tmp_path):
    files, images = few
    part = files.subset(torch.tensor([5, 1, 1])).to("cpu")
    assert torch.equal(part[:], images[[5, 1, 1]])
    for file in (tmp_path / "a").iterdir():
        file.unlink()
    assert len(files.subset(slice(2))) == 2
    with pytest.raises(ValueError, match="1.png"):
        files[1]


def test_an_empty_set_has_a_shape_and_no_parts():
    files = ImageFiles(".", [], 32)
    assert files.shape == (0, 3, 32, 32)
    assert in_memory(files).shape == (0, 3, 32, 32)
    assert len(files[:]) == 0


def test_all_images_in_memory_are_the_tensor(few):
    assert torch.equal(in_memory(few[0]), few[1])


def test_a_file_of_another_shape_is_refused_by_name(few, tmp_path):
    save(noise_image(6, 7), tmp_path / "a" / "3.png")
    with pytest.raises(ValueError, match=r"shape of .*3.png must be \(3, 6, 6\), got \(3, 6, 7\). Set image_size."):
        few[0][:]


def test_a_broken_file_stops_a_batch_by_name_and_the_next_one_still_works(few, tmp_path):
    files, images = few
    (tmp_path / "a" / "3.png").write_bytes(b"broken")
    for _ in range(2):
        with pytest.raises(ValueError, match="got .*3.png"):
            files[:]
    assert torch.equal(files[torch.tensor([0, 1])], images[:2])


@pytest.mark.parametrize("path", ["../a.png", "a/../../b.png", "/etc/passwd", "..", "C:\\a.png", "a\\..\\..\\b.png"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match="path of an image must be below .*Write it relative to the root."):
        ImageFiles(tmp_path, ["fine.png", path], 32)


def test_dots_inside_a_name_are_fine(tmp_path):
    assert len(ImageFiles(tmp_path, ["a..b/c...png"], 32)) == 1


# ------------------------------------------------------------------------------------------------------- reading ahead


@pytest.fixture
def processes(monkeypatch):
    """Let two processes read even a few images."""
    monkeypatch.setattr(image_files, "FEW", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="replaces a function for processes")
def test_the_next_batches_are_read_while_one_is_used(few, processes, monkeypatch, tmp_path):
    true, notes = image_files.read_image, tmp_path / "read"
    notes.mkdir()

    def told(path, size):
        (notes / str(time.monotonic_ns())).touch()
        return true(path, size)

    monkeypatch.setattr(image_files, "read_image", told)
    for used, _ in enumerate(fetched(few[0], torch.arange(6).split(1)), start=1):
        deadline = time.monotonic() + 300
        while len(list(notes.iterdir())) < min(used + 1, 6):  # the next is read before this one is given back
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert len(list(notes.iterdir())) == 6


@pytest.mark.slow
def test_processes_give_the_same_bits_in_the_same_order_and_draw_nothing(few, processes):
    files, images = few
    order = torch.randint(7, (50, 3), generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    found = torch.cat(list(fetched(files, list(order))))
    assert torch.equal(found, images[order.flatten()])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_a_broken_file_is_told_by_a_process_in_the_words_of_read_image(few, processes, tmp_path):
    (tmp_path / "a" / "3.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="^image must be a readable picture, got .*3.png: .*Replace the file"):
        list(fetched(few[0], torch.arange(7).split(1)))


@pytest.mark.slow
def test_processes_end_with_the_reading_however_it_ends(few, processes):
    before = set(multiprocessing.active_children())  # of other tests, which may still read
    for _ in range(3):
        batches = fetched(few[0], torch.arange(7).split(1))
        next(batches)
        assert len(set(multiprocessing.active_children()) - before) == 2
        del batches
        gc.collect()
    assert not set(multiprocessing.active_children()) - before


def test_a_few_images_are_read_without_processes(few):
    before = set(multiprocessing.active_children())
    batches = fetched(few[0], torch.arange(7).split(1))
    next(batches)
    assert not set(multiprocessing.active_children()) - before


@pytest.mark.parametrize("of_files", [False, True])
def test_fetched_gives_every_batch_of_a_tensor_and_of_files(few, of_files):
    batches = [torch.tensor([1, 2]), torch.tensor([2, 2]), torch.tensor([6])]
    found = list(fetched(few[0] if of_files else few[1], batches))
    assert all(torch.equal(batch, few[1][index]) for batch, index in zip(found, batches))
    assert len(found) == 3


# -------------------------------------------------------------------------------------------------------------- memory


def resident():
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif("not __import__('os').path.exists('/proc/self/statm')", reason="reads /proc")
def test_memory_stays_bounded_for_a_set_bigger_than_the_limit(tmp_path, monkeypatch):
    side, count = 400, 800  # 384 MB of pixels
    save(V.resize(noise_image(4, 4), [side, side]), tmp_path / "a.jpg")
    files = ImageFiles(tmp_path, ["a.jpg"] * count, side)
    monkeypatch.setattr(image_files, "PART_BYTES", 8 << 20)
    limit = 100 << 20  # a few parts, the allocator's slack
    assert files.shape.numel() > 3 * limit
    gc.collect()
    before, most, total = resident(), 0, 0
    for part in files.split(2048):
        total += len(part)
        most = max(most, resident() - before)
    assert total == count
    assert most < limit
    whole = in_memory(files)
    assert resident() - before > 3 * limit  # the measure sees what is kept
    assert len(whole) == count


def test_the_default_limit_is_positive_and_below_the_machine_s_memory():
    import os

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory_limit("cpu") < pages


# ----------------------------------------------------------------------------------------------------------- signature


def test_the_signature_follows_paths_sizes_and_image_size_and_names_a_missing_file(few, tmp_path):
    files, _ = few
    first = files.signature()
    assert ImageFiles(tmp_path, list(files.paths), 0).signature() == first
    assert files.subset(torch.tensor([1, 0, 2, 3, 4, 5, 6])).signature() != first
    assert ImageFiles(tmp_path, list(files.paths), 6).signature() != first
    (tmp_path / "a" / "2.png").write_bytes((tmp_path / "a" / "2.png").read_bytes() + b" ")
    assert files.signature() != first
    (tmp_path / "a" / "2.png").unlink()
    with pytest.raises(
        ValueError, match="image must be a readable picture, got .*2.png: .*No such file.*Replace the file, or move it"
    ):
        files.signature()


def test_sixteen_bits_a_channel_are_refused_instead_of_cut_off(tmp_path):
    Image.fromarray(np.full((8, 8), 3000, dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="image must be of 8 bits a channel, got '.*a.png'. Convert it."):
        read_image(tmp_path / "a.png", 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_are_delivered_on_the_gpu(few):
    files = few[0].to("cuda")
    index = torch.tensor([3, 1], device="cuda")
    found = files[index]
    assert found.device.type == files.device.type == "cuda"
    assert torch.equal(found.cpu(), few[1][[3, 1]])
