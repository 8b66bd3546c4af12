"""``make bench``: how fast this machine trains; `measure` measures, `report` shows."""

import logging
from pathlib import Path

import click

from plremix_core.cli import read_value
from plremix_core.data import prepare
from plremix_core.engine.files import ROOT
from plremix_core.engine.provenance import find_device, provenance, slow_bf16

from . import measure, report


@click.command("bench")
@click.option("--dataset", default="fashion_mnist", show_default=True)
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of cifar10.npz and the like.")
@click.option("--size", type=int, default=1280, show_default=True, help="Images of the comparison.")
@click.option("--limit", type=int, default=50000, show_default=True, help="Most images of the growth.")
@click.option("--set", "changes", type=(str, read_value), multiple=True, metavar="NAME VALUE", help="Any setting.")
@click.option("--precision", multiple=True, help="float32, bf16; repeatable.  [default: both, if bf16 pays here]")
@click.option("--compile", "compile_", is_flag=True, help="Every precision also compiled.")
@click.option("--workers", multiple=True, type=int, default=[0], help="Processes of the plain loader; repeatable.")
@click.option("--repeats", type=int, default=5, show_default=True, help="Epochs that count.")
@click.option("--quick", is_flag=True, help="Few images, one repeat: does it run?")
@click.option("--name", default="", help="Of the files; by default data set and device.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "data" / "results" / "bench")
def bench(dataset, folder, size, limit, changes, precision, compile_, workers, repeats, quick, name, out) -> None:
    """Measure this machine: an epoch beside a plain trainer's, its parts, and how time grows with the images.

    \b
    make bench OPTIONS="--dataset cifar10 --data ~/cifar --workers 0 --workers 2"
    PYTHONPATH=tests python -m bench --dataset cifar10 --set width 64 --set stem_stride 1 --size 12800 \\
        --precision float32 --precision bf16 --compile          (a GPU)
    """
    logging.getLogger("plremix").setLevel(logging.ERROR)  # parts that are filled up are no news here
    size, repeats, limit = (256, 1, min(limit, 2000)) if quick else (size, repeats, limit)
    config = measure.settings(dataset, size, **dict(changes))
    device = find_device(config.device)
    precision = precision or (["float32"] if slow_bf16(device) else ["float32", "bf16"])
    modes = [dict(precision=p, compile=c) for p in precision for c in ([False, True] if compile_ else [False])]
    result = dict(provenance=provenance(device), config=config.fingerprint())
    result |= measure.measure(config, prepare(config.replace(train_size=0), folder), modes, workers, repeats, limit)
    paths = report.save(result, out, name or f"{dataset}-{device.type}" + "-quick" * quick)
    click.echo(report.table(result))
    click.echo("written: " + ", ".join(map(str, paths)))


if __name__ == "__main__":
    bench(prog_name="make bench")
