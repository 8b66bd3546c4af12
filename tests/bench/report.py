"""What `make bench` shows and keeps: a table, a JSON file and a figure."""

import json
from pathlib import Path

from plremix_core import plots
from plremix_core.engine.files import write_atomic


def baseline(result: dict) -> dict:
    """Find the engine that the others are compared with: the fastest plain one, else the first of ours."""
    plain = [row for row in result["engines"] if row["engine"].startswith("plain")]
    return min(plain or result["engines"][:1], key=lambda row: row["epoch"]["median"])


def shares(result: dict) -> dict[str, float]:
    """Share of our first engine's epoch by part, fractions; the networks' steps are what the others leave."""
    epoch = next(row for row in result["engines"] if row["engine"].startswith("ours"))["epoch"]["median"]
    parts = {name: part["median"] / epoch for name, part in result["parts"].items() if name != "plain views"}
    return {"networks": 1 - parts["views"] - parts["divide"] - parts["test"]} | parts


def limit(result: dict) -> str:
    """Say what the views cost, and how fast an engine could be in which nothing but the networks took time."""
    if "plain views" not in result["parts"]:
        return "no plain trainer was measured"
    plain, ours = (result["parts"][name]["median"] for name in ("plain views", "views"))
    row = next(row for row in result["engines"] if row["engine"].startswith("ours"))
    alone = shares(result)["networks"] * row["epoch"]["median"]
    most = baseline(result)["epoch"]["median"] / alone
    return (
        f"views of an epoch: plain {plain:.3f} s, ours {ours:.3f} s; our steps without them {alone:.3f} s "
        f"({row['engine']}); if nothing else took time its ratio would be {most:.2f}"
    )


def rates(result: dict, row: dict) -> dict[str, float]:
    """Steps, images and FLOP a second of an engine's whole epoch, and its share of the peak."""
    work, peak = result["work"], result["peak_flops"]["bf16" if "bf16" in row["engine"] else "float32"]
    steps = 2 * work["steps"] / row["epoch"]["median"]
    flops = work["step_flop"] * steps
    return dict(steps=steps, images=2 * work["batch"] * steps, flops=flops, share=flops / peak)


def table(result: dict) -> str:
    """The engines, the parts and the growth as lines for the terminal."""
    work, where, base = result["work"], result["provenance"], baseline(result)["epoch"]["median"]
    lines = [
        f"{where['processor']}, {where['threads']} threads, load {where['load']}",
        f"{work['images']} images, batch {work['batch']} + {work['batch']}, {work['steps']} steps a network, "
        f"{work['step_flop'] / 1e9:.2f} GFLOP a step",
        f"{'engine':28}{'s/epoch':>9}{'spread':>14}{'ratio':>7}{'spread':>13}{'images/s':>10}{'GFLOP/s':>9}"
        f"{'of peak':>9}{'first s':>9}",
    ]
    for row in result["engines"]:
        rate, epoch = rates(result, row), row["epoch"]
        lines.append(
            f"{row['engine']:28}{epoch['median']:9.3f}{epoch['low']:7.2f}-{epoch['high']:<6.2f}"
            f"{base / epoch['median']:7.2f}{base / epoch['high']:7.2f}-{base / epoch['low']:<5.2f}"
            f"{rate['images']:10,.0f}{rate['flops'] / 1e9:9.0f}{rate['share']:9.0%}{row['first']:9.2f}"
        )
    if "parts" not in result:
        return "\n".join(lines)
    grown = ", ".join(f"{row['images']:,}: {row['epoch']['median']:.3g} s" for row in result["growth"]["images"])
    parts = ", ".join(f"{name} {share:.1%}" for name, share in shares(result).items())
    return "\n".join([*lines, limit(result), f"share of an epoch: {parts}", f"growth with N: {grown}"])


def save(result: dict, folder: Path, name: str) -> list[Path]:
    """Write NAME.json and NAME.png; the numbers first."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.json", folder / f"{name}.png"]
    write_atomic(paths[0], json.dumps(result, indent=1).encode())
    engines = {row["engine"]: {"": row["epoch"]["all"]} for row in result["engines"]}
    where, work = result["provenance"], result["work"]
    title = f"{work['dataset']}, {work['images']} images\n{where['processor']}, {where['threads']} threads"
    plots.dots([engines], [title], ["seconds an epoch of both networks"]).savefig(paths[1], dpi=90)
    return paths
