"""Nobody is let in: no code from data, no open port, no text that becomes a page's code, no path out, no calls home."""

import ast
import dataclasses
import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import processes
import psutil
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from plremix_core import data
from plremix_core.analysis import review, suspects
from plremix_core.data import image_files
from plremix_core.engine import checkpoint, files, plain_yaml
from plremix_core.lessons import html, runner
from plremix_core.lessons.lesson import ROOT
from plremix_core.sweeps import report

SOURCES = sorted((ROOT / "plremix_core").rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}
SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "</td></table><iframe>",
    "{{ 7*7 }}",
    "$\\frac{$",
    "$\\text{<script>alert(1)</script>}$",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$\\href{javascript:alert(1)}{x}$",
    "[x](javascript:alert(1))",
    "![x](http://127.0.0.9/x.png)",
    "![x](/etc/hostname)",
    "\n\n[x][y]\n\n[y]: javascript:alert(1)\n\n",
    "=cmd|' /C calc'!A0",
)


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Every call and the full name of what is called: what was imported under another name has its own again."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = []
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        first, dot, rest = ast.unparse(node.func).partition(".")
        found.append((re.sub("^numpy", "np", known.get(first, first)) + dot + rest, node))
    return found


def modules(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


# ------------------------------------------------------------------------------------------- what the code may do

RUNS_CODE = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "joblib.load",
    "builtins.eval",
    "builtins.exec",
    "importlib.import_module",
    "runpy.run_path",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "pandas.read_pickle",
    "torch.jit.load",
    "torch.hub.load",
}
PROGRAMS = re.compile(r"os\.(exec|spawn|posix_spawn)")
OURS = {
    "__init__.py: calls importlib.import_module",  # commands of this package only
    "lessons.py: calls os.execv",  # this interpreter, with JupyterLab in the place of `plremix lab`
    "exercises.py: calls spec.loader.exec_module",  # notebooks/exercises of this repository only
    "plain_yaml.py: calls yaml.load",  # with a SafeLoader, see below
}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
COUNTS = {"joblib", "joblib.cpu_count"}  # nothing else of joblib, which can unpickle
NETWORK = {"urllib", "requests", "httpx", "aiohttp", "http", "ftplib", "smtplib", "telnetlib", "xmlrpc", "socketserver"}


def offences(path: Path, tree: ast.AST) -> list[str]:
    """What a module does that it may not."""
    found = [f"imports {name}" for name in modules(tree) - COUNTS if name.split(".")[0] in PICKLES | NETWORK]
    for name, call in calls(tree):
        found += [f"calls {name}"] if name.startswith("joblib.") and name not in COUNTS else []
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        runs = name in RUNS_CODE or name.endswith(".exec_module") or PROGRAMS.match(name)
        found += [f"calls {name}"] if runs or name.startswith("pickle.") else []
        found += [f"{name} with a shell"] if options.get("shell", "False") != "False" else []
        found += (
            [f"{name} without weights_only"] if name == "torch.load" and options.get("weights_only") != "True" else []
        )
        reads = name in ("np.load", "np.lib.format.read_array")
        found += [f"{name} may unpickle"] if reads and options.get("allow_pickle") != "False" else []
        found += [f"calls {name}"] if name.startswith("socket.") and name != "socket.gethostname" else []
        found += [f"calls {name}"] if name.split(".")[-1] in ("extractall", "extract", "unpack_archive") else []
        found += (
            [f"{name} is not escaped"] if name == "jinja2.Environment" and options.get("autoescape") != "True" else []
        )
    return [text for text in (f"{path.name}: {text}" for text in found) if text not in OURS]


BAD = """
import pickle
import requests
from urllib.request import urlopen
eval(x)
exec(x)
os.system(x)
yaml.load(x)
subprocess.run(x, shell=True)
torch.load(x)
torch.load(x, weights_only=False)
np.load(x)
np.load(x, allow_pickle=True)
socket.create_connection(x)
tar.extractall(x)
from os import system; system(x)
import os as o; o.popen(x)
from numpy import load; load(x)
from torch import load as read; read(x)
os.execv(x)
os.spawnl(x)
builtins.exec(x)
subprocess.getoutput(x)
importlib.import_module(x)
import pandas as pd; pd.read_pickle(x)
torch.jit.load(x)
torch.hub.load(x)
spec.loader.exec_module(x)
jinja2.Environment()
import joblib; joblib.Memory(x)
import joblib as j; j.load(x)
from joblib import load as read; read(x)
""".split("\n")[1:-1]


def test_the_package_unpickles_evaluates_and_calls_nothing(tries):
    assert not [text for path, tree in TREES.items() for text in offences(path, tree)]
    assert issubclass(plain_yaml._Loader, yaml.SafeLoader)
    with pytest.raises(ValueError, match="could not determine a constructor"):
        plain_yaml.read_yaml("!!python/object/apply:os.getcwd []")
    for bad in BAD:  # the scan can find them
        assert offences(Path("x.py"), ast.parse(bad)), bad
    tries(len(TREES))


def test_only_torchvisions_download_is_ever_asked_to_reach_out():
    asked = set()
    for path, tree in TREES.items():
        for _, call in calls(tree):
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            asked |= {path.name} if options.get("download", "False") != "False" else set()
    assert asked == {"catalogue.py"}  # and ImageNet's weights in backbones.py, for pretrained=True


HOOK = """
import sys
from pathlib import Path
seen = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.gethostbyname", "urllib.Request",
                 "os.system", "subprocess.Popen"):
        seen.append((event, str(arguments)[:200]))
sys.addaudithook(hook)
import processes
from plremix_core.analysis import review, suspects
from plremix_core.engine import health
trainer = processes.train(Path(sys.argv[1]))
review.write_csv(suspects.rank(trainer), Path(sys.argv[1]) / "suspects.csv")
processes.train(Path(sys.argv[1]))
print("reached out:", seen)
"""


def test_a_training_opens_no_connection_and_starts_no_program(tmp_path):
    done = subprocess.run([sys.executable, "-c", HOOK, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout.partition("reached out:")[2].strip())
    programs = [text for event, text in found if event == "subprocess.Popen"]
    assert [event for event, _ in found if event != "subprocess.Popen"] == []
    asked = {Path(re.split(r"[\s'\"(),]+", text.lstrip("('\""), maxsplit=1)[0]).name for text in programs}
    assert asked <= {"nvidia-smi", "lscpu", "ldconfig", "uname", "gcc", "cc", "file", "objdump"}, programs  # torch's


# ----------------------------------------------------------------------------------------------------- open doors


@pytest.mark.long
def test_lab_listens_on_localhost_only_and_wants_its_token(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_RUNTIME_DIR": str(tmp_path),
    }
    command = ["lab", "--no-browser", "--allow-root", f"--port={port}"]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen([sys.executable, "-m", "plremix_core", *command], stdout=log, stderr=log,
                                  env=environment, start_new_session=True)  # fmt: skip
    try:
        deadline, found = time.monotonic() + 240, None
        while found is None and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            found = re.search(r"http://127.0.0.1:(\d+)/\S*token=([0-9a-f]{20,})", (tmp_path / "log").read_text())
        assert found, (tmp_path / "log").read_text()
        port, token = int(found[1]), found[2]
        answers = {}
        for header in ({}, {"Authorization": "token guessed"}, {"Authorization": f"token {token}"}):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/api/contents", headers=header)
            answers[str(header)[:30]] = connection.getresponse().status
        assert list(answers.values()) == [403, 403, 200]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", f"/lab/api/settings/@jupyterlab/apputils-extension:notification?token={token}")
        notification = json.loads(connection.getresponse().read())["schema"]["properties"]
        assert notification["fetchNews"]["default"] == "false" and notification["checkForUpdates"]["default"] is False
        everybody = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert any("jupyterlab.NeverCheckForUpdate" in " ".join(p.cmdline()) for p in everybody)
        addresses = {c.laddr.ip for p in everybody for c in p.net_connections("inet")
                     if c.status == psutil.CONN_LISTEN}  # fmt: skip
        assert addresses == {"127.0.0.1"}
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


# --------------------------------------------------------------------------------------------- text stays text


def active(page: str) -> list[str]:
    """Elements and attributes of a page that would run what an attacker wrote."""
    links = r"(?:href|src)=\"javascript:|src=\"http://127|alt=\"x\""
    return re.findall(rf"<script>alert\(1\)|<img src=x[^>]*onerror|<iframe>|>49<|{links}", page)


def test_class_names_file_names_and_reasons_stay_text_in_the_page_of_a_sweep(tmp_path, tries):
    names = []
    for number, text in enumerate(HOSTILE):
        place = tmp_path / f"cell-{number}"
        place.mkdir()
        names.append(place.name)
        labels = dict(dataset=text, noise="sym", rate=0.5, method=text, seed=1)
        files.write_json(place / "cell.json", dict(name=place.name, labels=labels, fingerprint="x"))
        table = pd.DataFrame(dict(epoch=[0, 1], test_accuracy=[0.1, 0.2], seconds=1.0))
        table.to_csv(place / "history.csv", index=False)
        found = labels | dict(fingerprint="x", last=0.1, best=0.2, chosen=None, seconds=1.0, resumed=1, notebook=text)
        found |= dict(wall_seconds=1.0, device=text, versions={text: text}, warned=1, warnings=[text])
        found |= dict(stretches=[dict(from_epoch=3, device=text)])
        if number % 2:
            files.write_json(place / "failed.json", dict(reason=text))
        else:
            files.write_json(place / "result.json", found)
    files.write_json(tmp_path / "grid.json", dict(grid="<i>", reference=HOSTILE[0], cells=names))
    page = report.write(tmp_path).read_text()
    assert active(page) == []
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    tries(len(HOSTILE))


def executed(folder: Path, text: str) -> Path:
    """A notebook as if it had been run, with `text` wherever a notebook of ours puts words of the data."""
    outputs = [
        new_output("stream", text=text),
        new_output("display_data", {"text/markdown": f"The class {text} has most."}),
        new_output("display_data", {"text/plain": text, "text/markdown": f"**C1.1 holds** · {text}"}),
        new_output("execute_result", {"text/plain": text, "text/html": pd.DataFrame({text: [text]}).to_html()}),
        new_output("error", ename=text, evalue=text, traceback=[text]),
        new_output("display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": text}}),
    ]
    cells = [new_markdown_cell("# Title"), new_code_cell(f"x = {text!r}", outputs=outputs, execution_count=1)]
    path = folder / "99_small.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_notebook_shows_stays_text_in_its_page(tmp_path, text):
    assert active(html.write_page(executed(tmp_path, text)).read_text()) == []


def test_titles_reasons_and_claims_stay_text_in_the_index(tmp_path, tries):
    claims = [dict(name=text, sentence=text, holds=True, rule=text, values=[1.0], skipped=False) for text in HOSTILE]
    results = [runner.Result(text, text, "failed", text, 1.0, 1, 1, claims) for text in HOSTILE]
    page = html.write_index(results, tmp_path).read_text()
    assert active(page) == [] and page.count("&lt;script&gt;alert(1)") >= 3
    tries(len(HOSTILE))


def test_no_cell_of_the_suspects_table_is_a_formula(tmp_path):
    hostile = ("=1+1", "+1", "-1", "@x", "\t=1", "=cmd|' /C calc'!A0")
    images = processes.images(48)
    images = dataclasses.replace(images, class_names=hostile[:4])
    trainer = processes.Trainer(processes.settings(epochs=2, warm_up=1, steps_per_epoch=1), images)
    trainer.fit(progress=False)
    review.write_csv(suspects.rank(trainer), tmp_path / "s.csv")
    words = pd.read_csv(tmp_path / "s.csv", dtype=str)[["given", "suggested"]].to_numpy().ravel()
    assert len(words) and not [word for word in words if word.startswith(review.FORMULA)]


# ----------------------------------------------------------------------------------------------- paths and secrets


PATHS = ("../a.png", "/etc/passwd", "a/../../b.png", "..\\a.png", "C:\\a.png", "\\\\host\\a.png", "a/..", "..")


def test_paths_of_images_cannot_leave_their_folder(tmp_path, tries):
    for path in PATHS:
        with pytest.raises(ValueError, match="path of an image must be below"):
            image_files.ImageFiles(tmp_path, [path], 8)
        (tmp_path / "list.txt").write_text(f"{path} 0\n")
        with pytest.raises(ValueError, match="must be"):
            data.from_folder(tmp_path, "list.txt", image_size=8)
    tries(2 * len(PATHS))


SECRET = "token-of-somebody-4711"


@pytest.mark.long
def test_no_file_log_or_traceback_holds_the_environment(tmp_path):
    """A training that fails, a notebook that fails and the command, all with a secret in the environment."""
    environment = os.environ | {"SOME_API_KEY": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
    parameters = new_code_cell("seed: int = 0", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# T\n\n| claim | s |\n|---|---|\n| C9.1 | s |"), parameters, new_code_cell("1 / 0")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "99_small.ipynb")
    (tmp_path / "g.yaml").write_text(json.dumps(dict(notebook=str(tmp_path / "99_small.ipynb"), timeout=300)))
    small = "--limit-train 40 --holdout 0 --epochs 2 --warm-up 1 --steps-per-epoch 2 --width 4 --blocks [1]".split()
    commands = [
        ["sweep", str(tmp_path / "g.yaml"), "--out", str(tmp_path / "runs"), "--jobs", "1"],
        ["train", *small, "--lr", "1e30", "--out", str(tmp_path / "diverged")],
        ["train", *small, "--out", str(tmp_path / "train")],
        ["report", str(tmp_path / "runs")],
    ]
    told, statuses = "", []
    for command in commands:
        done = subprocess.run([sys.executable, "-m", "plremix_core", *command], capture_output=True, text=True,
                              env=environment, timeout=600)  # fmt: skip
        told += done.stdout + done.stderr
        statuses.append(done.returncode)
    assert statuses == [1, 1, 0, 0]  # a failed cell, a training that diverged; the rest is well
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "must be finite" in told and "ZeroDivisionError" in told and len(files) > 12
    assert SECRET not in told
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []


@pytest.mark.long
def test_dependencies_have_no_known_advisories(tries):
    if importlib.util.find_spec("pip_audit") is None:
        pytest.skip("pip-audit is not installed (pip install pip-audit; it asks the package index)")
    command = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if not done.stdout.startswith("{"):
        pytest.skip(f"pip-audit could not ask: {done.stderr.strip().splitlines()[-1][:200]}")
    entries = json.loads(done.stdout)["dependencies"]
    known = [entry for entry in entries if "skip_reason" not in entry]
    if not known:
        pytest.skip(f"no advisory could be asked for: {entries[0]['skip_reason']} (as all {len(entries)})")
    assert {entry["name"]: [v["id"] for v in entry["vulns"]] for entry in known if entry["vulns"]} == {}
    tries(len(known))


def test_a_checkpoint_shared_by_somebody_holds_no_path_or_name_of_its_maker(tmp_path):
    processes.train(tmp_path / "run", epochs=2, warm_up=1, steps_per_epoch=1)
    state = checkpoint.load_newest(tmp_path / "run")
    text = json.dumps({key: value for key, value in state.items() if key not in ("nets", "optimizers", "adaptive")})
    assert str(tmp_path) not in text and socket.gethostname() not in text and np.isfinite(state["rows"][0]["seconds"])
