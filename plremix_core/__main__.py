"""The command ``plremix``."""

import subprocess
import sys
import webbrowser
from pathlib import Path

import click

from .cli import selftest, sweep, train
from .engine.files import ROOT
from .lessons import claims, control_runs, runner


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plremix")
def main() -> None:
    """PLReMix: train image classifiers on wrongly labelled data; run the lessons.

    \b
    plremix lessons                                  all notebooks, quick profile
    plremix lessons --only 03 --control all_negatives    break a mechanism: its claims must fail
    plremix train --rate 0.5 --out runs/mine         bundled data, two CPU cores
    plremix train --dataset cifar10 --noise sym --rate 0.8 --profile full --out runs/c10
    plremix train --resume runs/c10                  go on after an interruption
    plremix train --images DIR --out runs/mine       your own folder of class folders
    plremix suspects runs/mine --images DIR          its labels, the most suspect first
    plremix sweep data/grids/bundled.yaml            many runs, on all cores, GPUs or a cluster
    plremix bench --quick                            how fast is this machine
    plremix selftest                                 try to lose and to damage a training
    """


for command in (train.train_command, train.suspects_command, train.bench_command):
    main.add_command(command)
main.add_command(sweep.sweep_command)
main.add_command(sweep.report_command)
main.add_command(selftest.command)


@main.command()
@click.option("--only", multiple=True, help="Notebook numbers, e.g. 03; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/lessons"), show_default=True)
@click.option("--jobs", type=int, default=0, help="Notebooks at once; 0 = one a core.")
@click.option("--timeout", type=float, default=900, show_default=True, help="Seconds a notebook.")
@click.option("--control", default="", help="Name of a mechanism to break; see lab.CONTROLS.")
@click.option("--controls", is_flag=True, help="Every control of every claim in turn; the claims must fail. Long.")
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Notebook parameter; repeatable.")
@click.option("--render", is_flag=True, help="Write the outputs back into notebooks/ if all is well.")
@click.option("--open", "open_", is_flag=True, help="Open the index in a browser.")
def lessons(only, out, jobs, timeout, control, controls, parameters, render, open_) -> None:
    """Run notebooks headless and write OUT/index.html and OUT/result.json.

    \b
    plremix lessons --only 05 -p dataset cifar10 -p rate 0.5 -p profile full --timeout 100000
    """
    paths = [p for p in sorted(render.NOTEBOOKS.glob("[0-9]*.ipynb")) if not only or p.name[:2] in only]
    if controls:
        wrong = control_runs.run_all(paths, out / "controls", timeout, jobs)
        click.echo("\n".join(wrong) or f"every claim fails under each of its controls: {control_runs.RECORD}")
        sys.exit(bool(wrong))
    values = train.parse(parameters) | ({"control": control} if control else {})
    results = runner.run_lessons(paths, out, values, timeout, jobs)
    click.echo(render.summary(results))
    click.echo(f"index: {out / 'index.html'}")
    if render:
        render.render(results, out)
    if open_:
        webbrowser.open((out / "index.html").resolve().as_uri())
    sys.exit(any(result.status != "ok" for result in results))


@main.command("claims")
def claims_command() -> None:
    """Write data/claims.csv: equation, function, tests, notebook, claim and the controls that break it."""
    found = claims.write()
    click.echo(f"{found['claim'].nunique()} claims, {found['id'].nunique()} equations and mechanisms: {claims.TABLE}")


@main.command("lab")
@click.argument("arguments", nargs=-1)
def lab_command(arguments) -> None:
    """Start JupyterLab on localhost at notebooks/, with a token."""
    options = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={ROOT}",
        "--LabApp.default_url=/lab/tree/notebooks",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",  # nobody is called
        "--LabApp.news_url=None",
    ]
    sys.exit(subprocess.call([sys.executable, "-m", "jupyterlab", *options, *arguments]))


def run() -> None:
    """Run the command; what the user got wrong is one line, not a traceback."""
    try:
        main()
    except (ValueError, FloatingPointError, OSError) as error:
        sys.exit(f"plremix: {error}")


if __name__ == "__main__":
    run()
