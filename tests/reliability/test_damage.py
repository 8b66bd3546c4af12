"""What is cut, flipped, empty, of another kind or hostile is refused by name; nothing of it is ever executed."""

import dataclasses
import io
import json
import pickle
import random
import shutil
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import processes
import pytest
import torch
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output
from torchvision import datasets

from plremix_core import data
from plremix_core.data import catalogue, label_files
from plremix_core.engine import checkpoint, files
from plremix_core.lessons import runner
from plremix_core.lessons.lesson import FINISH_MIME
from plremix_core.sweeps import grid, report, results, run_one
from plremix_core.trainer import Trainer

HTML = b"<!doctype html>\n<html><body><h1>404: Not Found</h1></body></html>\n"
SHARES = (0.0, 0.1, 0.5, 0.9, 0.999)


class Trap:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def trap(tmp_path):
    """A hostile object; the test fails if anything ever loads it."""
    mark = tmp_path / "executed"
    pickle.loads(pickle.dumps(Trap(mark)))  # noqa: S301  the trap works
    assert mark.exists()
    mark.unlink()
    yield Trap(mark)
    assert not mark.exists(), "the pickle was executed"


def flips(content: bytes, number: int, seed: int = 0):
    """The content with one bit flipped, at `number` places."""
    rng = random.Random(seed)
    for _ in range(number):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def damaged(content: bytes, number: int = 40) -> list[bytes]:
    """Cut at several lengths, one bit flipped at many places, doubled, another file's content."""
    cuts = [content[: int(share * len(content))] for share in SHARES]
    return [*cuts, *flips(content, number), content + content, HTML, b"\0" * len(content)]


# -------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a finished training."""
    folder = tmp_path_factory.mktemp("run")
    processes.train(folder, epochs=3, warm_up=1, steps_per_epoch=1)
    return folder


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(run, tmp_path, caplog, tries):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    newest, summed = folder / "epoch-0003.pt", folder / "epoch-0003.sha256"
    whole, right = newest.read_bytes(), summed.read_bytes()
    changed = [(content, right) for content in damaged(whole)]
    changed += [(whole, content) for content in damaged(right) if content != right]
    for content, digest in changed:
        newest.write_bytes(content)
        summed.write_bytes(digest)
        caplog.clear()
        assert checkpoint.load_newest(folder)["epoch"] == 2
        assert "epoch-0003.pt is damaged" in caplog.text
    newest.write_bytes(whole)
    summed.write_bytes(right)
    assert checkpoint.load_newest(folder)["epoch"] == 3
    tries(len(changed))


@pytest.mark.parametrize("kind", ["pickle", "torch", "arrays"])
def test_a_checkpoint_that_would_run_code_is_refused_by_name_although_its_sum_fits(tmp_path, trap, kind):
    state = dict.fromkeys(Trainer.STATE, 0) | {"trap": np.array([trap], dtype=object) if kind == "arrays" else trap}
    path = checkpoint.save({"epoch": 1}, tmp_path / "run", 1)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = pickle.dumps(state) if kind == "pickle" else buffer.getvalue()
    path.write_bytes(content)
    path.with_suffix(".sha256").write_text(checkpoint.hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match="checkpoint must hold tensors and plain Python only, got .*epoch-0001.pt"):
        Trainer.resume(tmp_path / "run", processes.images())


@pytest.mark.parametrize("state", [{"epoch": 1}, [1, 2], 3.5, torch.zeros(3)], ids=["part", "list", "number", "tensor"])
def test_a_sound_file_that_is_no_training_is_refused(tmp_path, state):
    checkpoint.save(state, tmp_path, 1)
    with pytest.raises(ValueError, match="checkpoint in .* must be the state of a training"):
        Trainer.resume(tmp_path, processes.images())


# ------------------------------------------------------------------------------------------- images and labels


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """A data set as small as can be with sums of its own, and its file."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("data")
    arrays = dict(train_images=rng.integers(256, size=(40, 8, 8)), train_labels=np.arange(40) % 10)
    arrays |= dict(test_images=rng.integers(256, size=(10, 8, 8)), test_labels=np.arange(10))
    arrays = {part: array.astype(np.uint8) for part, array in arrays.items()}
    path = folder / "small.npz"
    np.savez_compressed(path, **arrays)
    digests = [checkpoint.hashlib.sha256(arrays[part].tobytes()).hexdigest()[:16] for part in catalogue.PARTS]
    return path, tuple(digests), arrays


def packed(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_damaged_data_file_is_refused_by_name(bundled, tmp_path, monkeypatch, trap, tries):
    path, digests, arrays = bundled
    source = dataclasses.replace(catalogue.SOURCES["fashion_mnist"], checksums=digests)
    monkeypatch.setitem(catalogue.SOURCES, "fashion_mnist", source)
    whole, count = path.read_bytes(), 0
    assert data.load("fashion_mnist", path).num_classes == 10
    objects = arrays | {"train_labels": np.array([trap] * 40, dtype=object)}
    other = arrays | {"train_labels": arrays["train_labels"][::-1]}
    foreign = [packed(**objects), packed(**other), packed(train_images=arrays["train_images"]), pickle.dumps(trap)]
    for content in [*damaged(whole), *foreign]:
        wrong = tmp_path / f"{count}.npz"
        wrong.write_bytes(content)
        try:
            found = data.load("fashion_mnist", wrong)
        except ValueError as error:
            assert str(wrong) in str(error)
            count += 1
        else:  # a bit of the archive that nobody reads, a date say
            assert (found.given.numpy() == arrays["train_labels"]).all()
            assert (found.images[:, 0].numpy() == arrays["train_images"]).all()
    assert count >= 35
    tries(count)


def test_a_pickle_in_place_of_torchvisions_files_is_never_loaded(tmp_path, monkeypatch, trap):
    def no_network(*arguments, **options):
        raise OSError("no network here")

    monkeypatch.setattr(datasets.cifar, "download_and_extract_archive", no_network)
    for name, parts in (("cifar10", ["data_batch_1", "test_batch", "batches.meta"]), ("cifar100", ["train", "meta"])):
        folder = tmp_path / getattr(datasets, catalogue.SOURCES[name].torchvision).base_folder
        folder.mkdir()
        for part in parts:
            (folder / part).write_bytes(pickle.dumps(trap))
        with pytest.raises(ValueError, match=f"{name} must be downloadable or present"):
            data.load(name, tmp_path)


def label_contents(labels: np.ndarray, trap: Trap) -> dict[str, list[bytes]]:
    """For each kind of label file the right content, then such as must be refused."""
    buffer, objects = io.BytesIO(), io.BytesIO()
    np.save(buffer, labels)
    np.save(objects, np.array([trap] * len(labels), dtype=object), allow_pickle=True)
    archive = packed(labels=labels)
    text = json.dumps(labels.tolist()).encode(), b"label\n" + "\n".join(map(str, labels)).encode()
    hostile = packed(labels=np.array([trap] * len(labels), dtype=object))
    return {
        ".npy": [buffer.getvalue(), objects.getvalue(), pickle.dumps(trap)],
        ".npz": [archive, hostile, pickle.dumps(trap)],
        ".json": [text[0], b'{"0": 1}', b"[[0]]", b"[" * 100_000],
        ".csv": [text[1], b"a,b\n1,2", b"label\n1.5"],
    }


@pytest.mark.parametrize("kind", [".npy", ".npz", ".json", ".csv"])
def test_a_damaged_label_file_is_refused_by_name_or_gives_other_data(tmp_path, trap, kind, tries):
    """A label that became another valid one cannot be told from a label: the sum of the data set changes instead."""
    labels = np.arange(40) % 4
    whole, *foreign = label_contents(labels, trap)[kind]
    (tmp_path / f"right{kind}").write_bytes(whole)
    assert (label_files.read(tmp_path / f"right{kind}", 40, 4) == labels).all()
    refused, contents = 0, [*damaged(whole, 60), *foreign]
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}{kind}"
        path.write_bytes(content)
        try:
            found = label_files.read(path, 40, 4)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert found.shape == (40,) and found.dtype == np.int64 and 0 <= found.min() and found.max() < 4
    assert refused >= len(contents) // 2
    tries(len(contents))


# ----------------------------------------------------------------------------------------- results and grids


@pytest.fixture
def swept(run, tmp_path):
    """A sweep's folder with one finished training, as `run_one` leaves it."""
    folder = tmp_path / "swept"
    shutil.copytree(run, folder / "one")
    state, config = checkpoint.load_newest(folder / "one"), processes.settings(epochs=3, warm_up=1, steps_per_epoch=1)
    labels = dict(dataset="fashion_mnist", noise="sym", rate=0.5, method="plremix", seed=0)
    described = dict(name="one", labels=labels, fingerprint=config.fingerprint(), epochs=3, parameters={})
    files.write_json(folder / "one" / "cell.json", described)
    found = labels | dict(fingerprint=config.fingerprint(), notebook="05.ipynb", device="CPU", versions={"torch": "2"})
    found |= dict(wall_seconds=1.0) | run_one._figures(folder / "one", described)
    assert state["epoch"] == 3
    files.write_json(folder / "one" / "result.json", found)
    files.write_json(folder / "grid.json", dict(grid="tiny", reference="plremix", cells=["one"]))
    return folder


def same(one: dict, other: dict) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def test_a_damaged_result_never_counts_and_a_damaged_history_is_named(swept, tries):
    place, count = swept / "one", 0
    fingerprint = files.read_json(place / "cell.json")["fingerprint"]
    right = run_one.result(place, fingerprint)
    assert right["last"] and results.collect(swept)[0]["state"].tolist() == ["done"]
    whole = (place / "result.json").read_bytes()
    for content in [*damaged(whole, 200), b"[]", b"3", b'"x"', b"null", b"[" * 100_000]:
        (place / "result.json").write_bytes(content)
        found = run_one.result(place, fingerprint)
        assert found is None or same(found, right) or "sum" not in json.loads(content)
        assert found is None or found["last"] == right["last"]
        count += 1
    (place / "result.json").write_bytes(whole)
    table = (place / "history.csv").read_bytes()
    for content in damaged(table, 20):
        (place / "history.csv").write_bytes(content)
        cells, histories = results.collect(swept)
        assert not histories and cells["state"].tolist() == ["failed"] and "history.csv" in cells["reason"][0]
        count += 1
    assert "history.csv" in report.write(swept).read_text()  # the page of the others can still be written
    (place / "history.csv").unlink()
    assert results.collect(swept)[0]["state"].tolist() == ["failed"]
    tries(count)


def test_a_damaged_list_of_attempts_neither_stops_a_run_nor_spoils_its_result(swept, tries):
    place, count = swept / "one", 0
    described = files.read_json(place / "cell.json") | {"notebook": "05.ipynb"}
    finish = new_output("display_data", {FINISH_MIME: dict(device="CPU", versions={"torch": "2"})})
    nbformat.write(new_notebook(cells=[new_code_cell("", outputs=[finish])]), place / "05.ipynb")
    ran = runner.Result("05", "Stub", "ok", "", 1.0, 0, 0, [])
    for _ in range(3):
        run_one._begin(place)
    whole = (place / "attempts.jsonl").read_bytes()
    for content in [*damaged(whole, 20), b"3\n", b"[]\n", b'{"from_epoch": "x"}\n', b"[" * 100_000]:
        (place / "attempts.jsonl").write_bytes(content)
        run_one._begin(place)
        run_one._finish(place, described, ran)
        found = run_one.result(place, described["fingerprint"])
        assert found["attempts"] >= 1 and run_one.epoch(place) == 3
        last = (place / "attempts.jsonl").read_text(errors="replace").splitlines()[-1]
        assert json.loads(last)["from_epoch"] == 3
        count += 1
    tries(count)


def test_a_damaged_list_of_runs_is_refused_and_leads_nowhere_else(swept, tries):
    whole, refused = (swept / "grid.json").read_bytes(), 0
    names = [["../one"], ["/etc"], [".."], [""], ["one/../../x"], [3], "one", None, [["one"]]]
    foreign = [json.dumps(dict(grid="tiny", reference="plremix", cells=cells)).encode() for cells in names]
    foreign += [json.dumps(dict(grid="../tiny", reference="plremix", cells=["one"])).encode(), b"[]", b"3"]
    for content in [*damaged(whole, 60), *foreign]:
        (swept / "grid.json").write_bytes(content)
        try:
            cells, _ = results.collect(swept)
        except ValueError as error:
            assert "grid.json" in str(error)
            refused += 1
        else:  # the name of the sum's key, or a space
            assert cells["name"].tolist() == ["one"]
    assert refused >= 60
    tries(refused)


GRID = dict(dataset="fashion_mnist", noise=[["sym", 0.5]], method=["ce", "plremix"], seed=[1, 2], profile="quick")


def test_a_damaged_grid_is_refused_by_name_or_is_another_grid(tmp_path, trap, tries):
    whole, refused = yaml.safe_dump(GRID).encode(), 0
    (tmp_path / "right.yaml").write_bytes(whole)
    right = {found.name for found in grid.load(tmp_path / "right.yaml").runs}
    code = f"dataset: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{trap.mark}']]"
    foreign = [
        code.encode(),
        b"[1, 2]",
        b"dataset: {a: 1}\nnoise: [[[]]]",
        b"seed: [[1]]",
        b"[" * 5000,
        b"\xff\xfe\x00",
    ]
    contents = [*damaged(whole, 60), *foreign]
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(content)
        try:
            found = grid.load(path)
        except ValueError as error:
            assert path.name in str(error)
            refused += 1
        else:  # another seed, say: other names, so that no result is taken for another's
            assert all(entry.name in right or entry.fingerprint not in "".join(right) for entry in found.runs)
    assert refused >= len(contents) // 2
    tries(len(contents))


def test_names_inside_an_archive_cannot_leave_its_folder(tmp_path):
    """An .npz is read by the names of its arrays; nothing is unpacked to the disk."""
    path = tmp_path / "inside" / "labels.npz"
    path.parent.mkdir()
    buffer = io.BytesIO()
    np.save(buffer, np.arange(4))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.npy", buffer.getvalue())
    before = sorted(tmp_path.rglob("*"))
    assert label_files.read(path, 4, 4).tolist() == [0, 1, 2, 3]
    assert sorted(tmp_path.rglob("*")) == before
