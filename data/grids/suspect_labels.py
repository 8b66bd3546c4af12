"""The recorded study of notebook 08: python data/grids/suspect_labels.py RUNS DATA sym-1 asym-1 human-1 ...

A cell is a kind of noise and a seed. For each, PLReMix and cross-entropy are trained on the labels as given (on weak
views, on strong ones, and in four folds, for predictions of images that were held out); then the labels are cleaned by
what PLReMix and cleanlab say, and cross-entropy is trained again. RUNS/<cell>.npz keeps what was said of every image; a
cell that is there is not trained again. Without cells, what RUNS holds is measured and written to
data/results/suspects.csv and .json. DATA holds cifar10.npz and the labels of CIFAR-10N; cleanlab must be installed.
"""

import dataclasses
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

from plremix_core import data, evaluate
from plremix_core.analysis import suspects
from plremix_core.config import Config
from plremix_core.engine import provenance
from plremix_core.engine.files import write_atomic
from plremix_core.lessons.lesson import ROOT
from plremix_core.presets import preset
from plremix_core.trainer import Trainer

KINDS = {
    "sym": ("fashion_mnist", "sym", 0.4),
    "asym": ("fashion_mnist", "asym", 0.4),
    "human": ("cifar10", "worse", 0),
}
OWN = dict(lambda_u=0, confidence_penalty=True, holdout=0)  # as presets.for_folder: nobody knows the noise
SMALL = dict(width=16, train_size=1000, steps_per_epoch=30)  # size of notebook 07; the rest is the quick profile
COLOUR = dict(train_size=2000, steps_per_epoch=40, flip=True, pad=4, fill=128)  # harder images: more of them
CE = dict(method="ce", warm_up=0, confidence_penalty=False, epochs=8, lr_drops=(6,))  # with as many steps as PLReMix
TESTED, FOLDS, TAIL = 1000, 4, 4
COUNTS = (10, 20, 50, 100, 150, 200, 300, 400)


def settings(kind: str, seed: int) -> Config:
    """PLReMix for one cell."""
    dataset, noise, rate = KINDS[kind]
    changes = OWN | SMALL | (COLOUR if dataset == "cifar10" else {})
    return preset(dataset, noise, rate, profile="quick", seed=seed, **changes)


def load(config: Config, folder: str) -> data.Dataset:
    """The cell's images, and as many test images for all kinds."""
    whole = data.prepare(config, folder if config.dataset == "cifar10" else None)
    return dataclasses.replace(whole, test_images=whole.test_images[:TESTED], test_labels=whole.test_labels[:TESTED])


def single(config: Config, images: data.Dataset) -> Trainer:
    """Cross-entropy with one network."""
    trainer = Trainer(config, images)
    trainer.nets = trainer.nets[:1]
    return trainer


def cross_entropy(config: Config, images: data.Dataset) -> dict[str, np.ndarray]:
    """Loss of every label after every epoch (E, N), and the test accuracy (E,)."""
    trainer = single(config, images)
    losses = suspects.losses_over_epochs(trainer)
    logits = trainer.per_sample(trainer.nets[0])["logits"].numpy()
    return dict(loss=losses, logits=logits, test=_tested(trainer))


def held_out(config: Config, images: data.Dataset) -> dict[str, np.ndarray]:
    """Probabilities (E, N, C) of images by a network that was not trained on them, after every epoch."""
    fold = np.random.default_rng([config.seed, 8]).permutation(len(images.given)) % FOLDS
    probabilities = np.zeros((config.epochs, len(fold), images.num_classes), np.float32)
    for f in range(FOLDS):
        out = torch.from_numpy(fold == f)
        part = dataclasses.replace(images, images=images.images[~out], given=images.given[~out], true=images.true[~out])
        probabilities[:, out.numpy()] = _seen(config.replace(train_size=len(part.given)), part, images.images[out])
    return dict(probabilities=probabilities)


def _seen(config: Config, part: data.Dataset, held: torch.Tensor) -> np.ndarray:
    """Probabilities (E, n, C) of the images `held` after every epoch on `part`."""
    found = []

    def look(trainer: Trainer, _row: dict) -> None:
        found.append(trainer.predict(trainer.nets[0], held)[0].softmax(dim=1).numpy())

    single(config, part).fit(progress=False, on_epoch=look)
    return np.stack(found)


def plremix(config: Config, images: data.Dataset) -> dict[str, np.ndarray]:
    """Of the last epochs: losses and p_clean of both networks (TAIL, 2, N); test accuracy (E,) of both and of one."""
    found = {"loss_cls": [], "loss_proto": [], "p_clean": [], "test_one": []}

    def look(trainer: Trainer, row: dict) -> None:
        if trainer.epoch > config.epochs - TAIL:
            outputs = [trainer.per_sample(net) for net in trainer.nets]
            for name in ("loss_cls", "loss_proto"):
                found[name].append(np.stack([out[name].numpy() for out in outputs]))
            divisions = [trainer.divide(out, trainer.epoch, m) for m, out in enumerate(outputs)]
            found["p_clean"].append(np.stack([division.p_clean for division in divisions]))
            found["test_one"].append(evaluate.accuracy(trainer.nets[:1], images.test_images, images.test_labels, images))

    trainer = Trainer(config, images)
    trainer.fit(progress=False, on_epoch=look)
    logits = np.stack([trainer.per_sample(net)["logits"].numpy() for net in trainer.nets])
    arrays = {name: np.stack(values) for name, values in found.items()}
    return arrays | dict(logits=logits, test=_tested(trainer))


def _tested(trainer: Trainer) -> np.ndarray:
    return trainer.history().table["test_accuracy"].to_numpy()


def train_as_given(kind: str, seed: int, folder: str, out: Path) -> None:
    """Train on the labels as given; keep what every image was told."""
    config, arrays, facts = settings(kind, seed), {}, {}
    images, steps = load(config, folder), config.steps_per_epoch
    short = CE | dict(steps_per_epoch=2 * steps)
    jobs = {
        "ce": (cross_entropy, short),
        "strong": (cross_entropy, short | dict(supervised_view="strong")),
        "plremix": (plremix, {}),
        "held_out": (held_out, short),
    }
    for name, (job, changes) in jobs.items():
        start, own = time.process_time(), config.replace(**changes)
        result = job(own, images)
        arrays |= {f"{name}_{key}": value for key, value in result.items()}
        facts[name] = dict(settings=own.fingerprint(), cpu_seconds=round(time.process_time() - start))
        print(kind, seed, name, facts[name], result.get("test", [0])[-1], flush=True)
    arrays |= dict(given=images.given.numpy(), true=images.true.numpy())
    _save(out / f"{kind}-{seed}.npz", arrays)
    facts = dict(cell=f"{kind}-{seed}", data=images.fingerprint(), runs=facts) | provenance.provenance(torch.device("cpu"))
    write_atomic(out / f"{kind}-{seed}.json", json.dumps(facts, indent=1).encode())


def clean_and_train(kind: str, seed: int, folder: str, out: Path) -> None:
    """Train cross-entropy on cleaned labels; adds the test accuracies (E,) to the cell."""
    with np.load(out / f"{kind}-{seed}.npz") as file:
        found = dict(file)
    config = settings(kind, seed)
    images = load(config, folder)
    wrong, sure = found["given"] != found["true"], found["plremix_p_clean"][-1].mean(axis=0) < config.threshold
    probabilities = chosen(found)
    issues = find_label_issues(found["given"], probabilities, n_jobs=1)
    said = {"plremix": (sure, found["plremix_logits"].sum(axis=0)), "cleanlab": (issues, probabilities)}
    parts = {"dropped by the truth": (wrong, images.given)}
    for name, (suspect, scores) in said.items():
        given = torch.where(torch.from_numpy(suspect), torch.from_numpy(scores.argmax(axis=1)), images.given)
        parts[f"dropped by {name}"] = (suspect, images.given)
        parts[f"relabelled by {name}"] = (np.zeros_like(wrong), given)
    for name, (left_out, given) in parts.items():
        kept = torch.from_numpy(~left_out)
        part = dataclasses.replace(images, images=images.images[kept], given=given[kept], true=images.true[kept])
        changes = CE | dict(steps_per_epoch=2 * config.steps_per_epoch, train_size=len(part.given))
        trainer = single(config.replace(**changes), part)
        trainer.fit(progress=False)
        found[f"ce, {name}"] = _tested(trainer)
        print(kind, seed, name, found[f"ce, {name}"][-1], flush=True)
    _save(out / f"{kind}-{seed}.npz", found)


def chosen(found: dict[str, np.ndarray]) -> np.ndarray:
    """Held-out probabilities (N, C) after the epoch that agrees best with the given labels of what was held out."""
    probabilities = found["held_out_probabilities"]
    right = (probabilities.argmax(axis=2) == found["given"]).mean(axis=1)
    return probabilities[right.argmax()].astype(np.float64)


def rankings(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Suspicion (N,) by the ranking's name: the larger, the more suspect."""
    loss, p_clean = found["plremix_loss_cls"][-1].mean(axis=0), found["plremix_p_clean"][-1].mean(axis=0)
    return {
        "plremix": loss,
        "plremix, p_clean": rankdata(-p_clean) + 1e-3 * rankdata(loss) / len(loss),
        "ce": found["ce_loss"][-1],
        "ce, mean of epochs": found["ce_loss"].mean(axis=0),
        "strong views": found["strong_loss"][-1],
        "strong views, mean of epochs": found["strong_loss"].mean(axis=0),
        "cleanlab": -get_label_quality_scores(found["given"], chosen(found)),
    }


def rows(kind: str, found: dict[str, np.ndarray], threshold: float) -> list[dict[str, object]]:
    """What one cell came to: one measure a row."""
    wrong, table = found["given"] != found["true"], []
    table.append(dict(noise=kind, method="all", measure="wrong labels", value=wrong.mean()))
    for name, suspicion in rankings(found).items():
        order = np.argsort(-suspicion, kind="stable")
        precision = suspects.precision_at(wrong[order])
        scores = {"average precision": average_precision_score(wrong, suspicion)}
        scores |= {f"precision at {k}": precision[k - 1] for k in COUNTS}
        table += [dict(noise=kind, method=name, measure=measure, value=value) for measure, value in scores.items()]
    flagged = found["plremix_p_clean"][-1].mean(axis=0) < threshold
    flags = {"plremix": flagged, "cleanlab": find_label_issues(found["given"], chosen(found), n_jobs=1)}
    said = {"plremix": found["plremix_logits"].sum(axis=0), "ce": found["ce_logits"], "cleanlab": chosen(found)}
    said["strong views"] = found["strong_logits"]
    for name, scores in said.items():
        right = (scores.argmax(axis=1) == found["true"])[wrong].mean()
        table.append(dict(noise=kind, method=name, measure="right suggestion for wrong labels", value=right))
    for name, flag in flags.items():
        shares = {"flagged": flag.mean(), "precision": wrong[flag].mean(), "recall": flag[wrong].mean()}
        table += [dict(noise=kind, method=name, measure=f"flags: {m}", value=value) for m, value in shares.items()]
    return table + accuracies(kind, found)


def accuracies(kind: str, found: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Test accuracy, mean of the last quarter of the epochs."""
    tested = {name.removesuffix("_test"): values for name, values in found.items() if name.endswith("_test")}
    tested["strong views"] = tested.pop("strong")
    tested |= {"plremix, one network": found["plremix_test_one"]}
    tested |= {name: values for name, values in found.items() if " " in name}
    tails = {name: values[-max(2, len(values) // 4) :].mean() for name, values in tested.items()}
    return [dict(noise=kind, method=name, measure="test accuracy", value=value) for name, value in tails.items()]


def measure(out: Path) -> None:
    """Write data/results/suspects.csv and .json."""
    target = ROOT / "data" / "results" / "suspects.csv"
    for seed in sorted({int(path.stem.split("-")[1]) for path in out.glob("*-*.npz")}):
        table, cells, config = [], {}, settings("sym", seed)
        for kind in KINDS:
            with np.load(out / f"{kind}-{seed}.npz") as file:
                table += rows(kind, dict(file), config.threshold)
            facts = json.loads((out / f"{kind}-{seed}.json").read_text())
            cells[kind] = {name: facts[name] for name in ("data", "runs", "date", "processor", "versions")}
        provenance.record(target, pd.DataFrame(table), seed, config.fingerprint())
        facts = json.loads(target.with_suffix(".json").read_text())
        facts[str(seed)]["cells"] = cells  # of the trainings; the rest is of this measuring
        write_atomic(target.with_suffix(".json"), json.dumps(facts, indent=1, sort_keys=True).encode())


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_atomic(path, content.getvalue())


def main(out: Path, folder: str, cells: list[str]) -> None:
    """Train the cells, or measure what was trained."""
    out.mkdir(parents=True, exist_ok=True)
    for cell in cells:
        kind, seed = cell.split("-")
        if not (out / f"{cell}.npz").exists():
            train_as_given(kind, int(seed), folder, out)
        clean_and_train(kind, int(seed), folder, out)
    if not cells:
        measure(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
