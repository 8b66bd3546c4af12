"""Many runs and kernels killed among them, two sweeps on one folder, thousands of checkpoints: no loss, no growth."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import processes
import psutil
import pytest
import torch
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from plremix_core.engine import checkpoint, files
from plremix_core.lessons.lesson import CLAIM_MIME, FINISH_MIME
from plremix_core.sweeps import grid, run_all, run_one
from plremix_core.trainer import Trainer

CELLS = 200
KILLED = 0.05  # share of the kernels
GROWTH = 60e6  # bytes by which the peak of the driver's second half may exceed that of its second quarter
FINISH = dict(notebook="99", seconds=1.0, versions={"python": "3"}, device="CPU")
STUB = [
    'seed: int = 0\nmark: str = ""',
    "import os\nimport time\nfrom pathlib import Path\n\nfrom IPython.display import display",
    "Path(mark, f'{seed}-{os.getpid()}').touch()\ntime.sleep(0.3)",
    f"display({{'{CLAIM_MIME}': dict(name='C9.1', holds=True)}}, raw=True)",
    f"display({{'{FINISH_MIME}': {FINISH}}}, raw=True)",
]


def stub(folder: Path, cells: int) -> tuple[Path, Path]:
    """A grid of so many runs of a notebook that says which process runs it, and the folder where it says so."""
    mark = folder / "mark"
    mark.mkdir()
    parts = [new_markdown_cell("# Stub\n\n| claim | sentence |\n|---|---|\n| C9.1 | s |")]
    parts += [new_code_cell(source, metadata={"tags": ["parameters"] * (not i)}) for i, source in enumerate(STUB)]
    nbformat.write(new_notebook(cells=parts), folder / "99_stub.ipynb")
    path = folder / "stub.yaml"
    plan = dict(notebook=str(folder / "99_stub.ipynb"), timeout=300, seed=list(range(1, cells + 1)))
    path.write_text(yaml.safe_dump(plan | {"settings": {"mark": str(mark)}}))
    return path, mark


def start(path: Path, out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "plremix_core", "sweep", str(path), "--out", str(out), "--jobs", "2", *options]
    with open(out.with_suffix(f".{time.monotonic_ns()}.log"), "w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def watch(driver: subprocess.Popen, mark: Path, share: float) -> tuple[set[str], list[int]]:
    """Kill a share of the kernels, and follow the driver's memory until the last run: seeds of those killed, bytes."""
    rng, seen, killed, memory = random.Random(3), set(), set(), []
    while driver.poll() is None:
        for file in sorted(set(mark.iterdir()) - seen):
            seen.add(file)
            seed, pid = file.name.split("-")
            if rng.random() < share or (share and not killed and len(seen) > 3):
                killed.add(seed)
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    killed.discard(seed)
        if len(seen) < CELLS:  # a process that ends touches 100 MB more
            memory.append(psutil.Process(driver.pid).memory_info().rss)
        time.sleep(0.05)
    return killed, memory


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_sweep_with_kernels_killed_at_random_loses_no_run_and_its_driver_does_not_grow(tmp_path, tries):
    path, mark = stub(tmp_path, CELLS)
    out, runs = tmp_path / "runs", grid.load(path).runs
    driver = start(path, out)
    killed, memory = watch(driver, mark, KILLED)
    states = run_all.status(runs, out)
    assert set(states.values()) == {"done", "failed"} and driver.returncode == 1
    for one in runs:
        if states[one.name] == "failed":
            assert "never run" in run_one.failure(out / one.name)["reason"], run_one.failure(out / one.name)
            assert str(one.parameters["seed"]) in killed
    assert list(states.values()).count("failed") == len(killed)
    quarter, half = len(memory) // 4, len(memory) // 2
    assert max(memory[half:]) - max(memory[quarter:half]) < GROWTH
    again = start(path, out, "--retry-failed")
    watch(again, mark, 0.0)
    assert again.returncode == 0 and set(run_all.status(runs, out).values()) == {"done"}
    for one in runs:  # a run that was done is not done again
        attempts = (out / one.name / "attempts.jsonl").read_text().splitlines()
        assert len(attempts) == 1 + (states[one.name] == "failed")
    tries(CELLS)


@pytest.mark.long
def test_two_sweeps_at_once_on_one_folder_do_every_run_once(tmp_path, tries):
    path, mark = stub(tmp_path, 6)
    out, runs = tmp_path / "runs", grid.load(path).runs
    drivers = [start(path, out), start(path, out)]
    assert [driver.wait(600) for driver in drivers] == [0, 0], [p.read_text()[-500:] for p in tmp_path.glob("*.log")]
    assert set(run_all.status(runs, out).values()) == {"done"}
    assert len(list(mark.iterdir())) == 6  # one kernel a run, in both together
    tries(2 * 6)


def test_many_writers_of_one_file_leave_one_whole_content(tmp_path, tries):
    """As two sweeps do with the list of runs; threads of two processes each."""
    code = "import sys; from pathlib import Path; from plremix_core.engine import files\n"
    code += "for i in range(150): files.write_json(Path(sys.argv[1]), dict(who=sys.argv[2], text='x' * 5000 + str(i)))"
    path = tmp_path / "grid.json"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(w)], stderr=subprocess.PIPE) for w in (1, 2)
    ]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            assert files.read_json(path)["who"] in "12"
            reads += 1
        time.sleep(0.002)
    assert [writer.wait() for writer in writers] == [0, 0], [writer.stderr.read() for writer in writers]
    assert [file.name for file in tmp_path.iterdir()] == ["grid.json"]
    tries(reads)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.parametrize("rotations", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_thousands_of_checkpoints_do_not_grow_in_disk_files_or_memory(tmp_path, rotations, tries):
    """A day of epochs of 43 seconds; a training grows by the row that each epoch adds to its history."""
    trainer = Trainer(processes.settings(epochs=rotations), processes.images(48), tmp_path)
    figures = dict(total_1=1.0, total_2=2.0, test_accuracy=0.5, seconds=43.2)
    trainer.run_epoch = lambda epoch: dict(epoch=epoch, kappa=1) | figures
    marks, process = [], psutil.Process()

    def note(trainer, row):
        if trainer.epoch in (rotations // 4, rotations):
            content = sum(len(json.dumps(row)) for row in trainer.rows)
            marks.append((size(tmp_path), len(list(tmp_path.iterdir())), process.memory_info().rss, content))

    trainer.fit(progress=False, on_epoch=note)
    (disk, files, memory, rows), (disk_2, files_2, memory_2, rows_2) = marks
    assert files == files_2 <= 2 * checkpoint.KEEP + 3  # history, log and lock
    assert disk_2 - disk < 6 * (rows_2 - rows) + 4096  # in two checkpoints, history.csv and log.txt
    assert memory_2 - memory < 40e6
    assert checkpoint.load_newest(tmp_path)["epoch"] == rotations
    tries(rotations)


def test_the_newest_of_ten_thousand_checkpoints_is_the_newest_by_number(tmp_path, tries):
    for epoch in range(9995, 10_006):
        checkpoint.save({"epoch": epoch, "weight": torch.zeros(10)}, tmp_path, epoch)
        assert checkpoint.load_newest(tmp_path)["epoch"] == epoch
        assert [number for number, _ in checkpoint.saved(tmp_path)] == [epoch, epoch - 1][: epoch - 9994]
    tries(11)
