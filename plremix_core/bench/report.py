"""What `plremix bench` shows and keeps: a table, a JSON file and a figure."""

import json
from pathlib import Path

import numpy as np

from .. import plots
from ..engine.files import write_atomic

PLAIN_MISSING = "the plain trainer is not here: it comes with the repository's tests/ folder"


def baseline(result: dict) -> dict:
    """The engine that the others are compared with: the fastest plain one, else the first of ours."""
    plain = [row for row in result["engines"] if row["engine"].startswith("plain")]
    return min(plain or result["engines"][:1], key=lambda row: row["epoch"]["median"])


def shares(result: dict) -> dict[str, float]:
    """Share of our first engine's epoch by part, fractions; the networks' steps are what the others leave."""
    epoch = next(row for row in result["engines"] if row["engine"].startswith("ours"))["epoch"]["median"]
    parts = {name: part["median"] / epoch for name, part in result["parts"].items() if name != "plain views"}
    return {"networks": 1 - parts["views"] - parts["divide"] - parts["test"]} | parts


def limit(result: dict) -> str:
    """What the views cost, and how fast an engine could be in which nothing but the networks took time."""
    views = result["parts"].get("plain views")
    if views is None or not result["engines"][0]["engine"].startswith("plain"):
        return PLAIN_MISSING
    row = next(row for row in result["engines"] if row["engine"].startswith("ours"))
    alone = shares(result)["networks"] * row["epoch"]["median"]
    most = baseline(result)["epoch"]["median"] / alone
    return (
        f"views of an epoch: plain {views['median']:.3f} s, ours {result['parts']['views']['median']:.3f} s; our steps "
        f"without them {alone:.3f} s ({row['engine']}); if nothing else took time its ratio would be {most:.2f}"
    )


def rates(result: dict, row: dict) -> dict[str, float]:
    """Steps, images and FLOP a second of an engine's whole epoch, and its share of the peak."""
    work, seconds = result["work"], row["epoch"]["median"]
    steps = 2 * work["steps"]
    flops = work["step_flop"] * steps / seconds
    precision = "bf16" if "bf16" in row["engine"] else "float32"
    peak = result["peak_flops"].get(precision, result["peak_flops"]["float32"])
    return dict(steps=steps / seconds, images=2 * work["batch"] * steps / seconds, flops=flops, share=flops / peak)


def table(result: dict) -> str:
    """The engines, the parts and the growth as lines for the terminal."""
    work, where = result["work"], result["provenance"]
    lines = [
        f"{where['processor']}, {where['threads']} threads, load {where['load']}",
        f"{work['images']} images, batch {work['batch']} + {work['batch']}, {work['steps']} steps a network, "
        f"{work['step_flop'] / 1e9:.2f} GFLOP a step",
        f"{'engine':28}{'s/epoch':>9}{'spread':>14}{'ratio':>7}{'steps/s':>9}{'images/s':>10}{'GFLOP/s':>9}"
        f"{'of peak':>9}{'first s':>9}{'MiB':>7}",
    ]
    base = baseline(result)["epoch"]["median"]
    for row in result["engines"]:
        rate, epoch = rates(result, row), row["epoch"]
        lines.append(
            f"{row['engine']:28}{epoch['median']:9.3f}{epoch['low']:7.2f}-{epoch['high']:<6.2f}"
            f"{base / epoch['median']:7.2f}{rate['steps']:9.1f}{rate['images']:10,.0f}{rate['flops'] / 1e9:9.0f}"
            f"{rate['share']:9.0%}{row['first']:9.2f}{row['memory'] / 2**20:7.0f}"
        )
    lines.append(limit(result))
    lines.append("share of an epoch: " + ", ".join(f"{name} {share:.1%}" for name, share in shares(result).items()))
    for name, rows in result["growth"].items():
        key = next(iter(rows[0]))
        cells = [f"{row[key]}: {row.get('epoch', row.get('seconds'))['median']:.3g} s" for row in rows]
        lines.append(f"{name + ':':10}" + ", ".join(cells))
    return "\n".join(lines)


def figure(result: dict):
    """The figure of a result; see `plots.bench`."""
    growth = {}
    for rows in result["growth"].values():
        key = next(iter(rows[0]))
        seconds = np.array([row.get("epoch", row.get("seconds"))["median"] for row in rows])
        growth[key] = np.array([row[key] for row in rows]), seconds, np.array([row.get("memory", 0) for row in rows])
    engines = {row["engine"]: np.array(row["epoch"]["all"]) for row in result["engines"]}
    where, work = result["provenance"], result["work"]
    title = f"{work['dataset']}, {work['images']} images, {where['processor']}, {where['threads']} threads"
    return plots.bench(engines, baseline(result)["engine"], shares(result), growth, title=title)


def save(result: dict, folder: Path, name: str) -> list[Path]:
    """Write NAME.json and NAME.png; the numbers first."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.json", folder / f"{name}.png"]
    write_atomic(paths[0], json.dumps(result, indent=1).encode())
    figure(result).savefig(paths[1], dpi=90)
    return paths
