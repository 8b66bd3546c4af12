"""Train two networks on wrong labels: warm up, divide, train, evaluate, checkpoint."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from . import epochs, evaluate, gmm, steps
from .config import Config, from_dict
from .data.prepare import Dataset, prepare
from .engine import checkpoint, distributed, files, health, provenance
from .engine.checks import require, require_finite
from .engine.history import History
from .engine.seeds import generator
from .model import Network, SelfAdaptive

log = logging.getLogger("plremix")


class Trainer:
    """Train `config` on `data`.

    Parameters
    ----------
    config : Config
        All settings.
    data : Dataset
        As made by `data.prepare(config)` or `data.from_arrays`.
    folder : path, optional
        Where checkpoints, ``history.csv`` and ``log.txt`` go; nothing is written without it.

    Raises
    ------
    ValueError
        If the data do not fit the settings.

    Source
    ------
    Paper arXiv:2402.17589v2, algorithm 1; release: train_cifar.py.

    Differs
    -------
    Prototypes move by the network's own projections unless ``prototypes_from="peer"``. A part with fewer samples
    than a batch is filled up with the next likely ones. Every random number follows from the seed.
    """

    def __init__(self, config: Config, data: Dataset, folder: str | Path | None = None) -> None:
        require(len(data.images) >= 2, "training images", "at least two", len(data.images), "Add images.")
        most = max(k for _, k in config.kappa)
        require(
            most <= data.num_classes, "kappa", f"at most {data.num_classes}, the number of classes", most, "Lower k."
        )
        self.config, self.data = config, data
        with health.listening() as heard:
            health.warn_of_data(config, data)
        distributed.require_even(config.batch_size)
        self.folder = None if folder is None else Path(folder)
        self.device = provenance.find_device(config.device)
        self.right = None if data.true is None else (data.true == data.given).numpy()
        self.images, self.given = data.images.to(self.device), data.given.to(self.device)
        names = ("width", "blocks", "stem_stride", "pooled") if config.backbone == "preact" else ("pretrained",)
        options = {name: getattr(config, name) for name in (*names, "precision", "compile")}
        self.nets = []
        for m in (0, 1):
            draws = generator(config.seed, 1, m)
            kind = dict(kind=config.backbone, head=config.projector)
            net = Network(data.num_classes, data.images.shape[1], **kind, generator=draws, **options)
            net = distributed.share_batch_norm(net)
            self.nets.append(net.to(self.device, memory_format=torch.channels_last))
        options = dict(lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        options |= {"fused": True} if self.device.type == "cuda" else {}
        self.optimizers = [torch.optim.SGD(net.parameters(), **options) for net in self.nets]
        start = torch.full((data.num_classes,), 1 / data.num_classes, device=self.device)
        self.adaptive = SelfAdaptive(start[0].clone(), start)
        self.epoch, self.rows, self.whole = 0, [], True
        self.stretches, self.notes = [], [[0, text] for text in heard]
        self.splits: list[gmm.Split] = []

    def fit(self, progress: bool = True, on_epoch: Callable[["Trainer", dict], None] | None = None) -> History:
        """Train until the last epoch, from wherever this trainer stands.

        Parameters
        ----------
        progress : bool
            Show a bar with the time left.
        on_epoch : callable, optional
            Called with the trainer and the finished epoch's row.

        Returns
        -------
        History

        Raises
        ------
        FloatingPointError
            If a loss or weight is not finite; the last checkpoint stays as it was.
        ValueError
            If a new training would write into a folder that holds another one's checkpoints, another training runs
            there, or this trainer was interrupted within an epoch.
        """
        with files.alone(self.folder if distributed.rank() == 0 else None), health.watched(self):
            if self.epoch == 0 and self.folder is not None:
                checkpoint.refuse_used(self.folder)
            self._fit(progress, on_epoch)
            health.write_history(self)  # if there was nothing left to do: perhaps it was lost
        return self.history()

    def _fit(self, progress: bool, on_epoch: Callable[["Trainer", dict], None] | None) -> None:
        total = self.config.epochs + self.config.extra_epochs
        hidden = not progress or distributed.rank() > 0
        with tqdm(total=total, initial=self.epoch, disable=hidden, unit="epoch") as bar:
            while self.epoch < total:
                self.whole = False
                row = self.run_epoch(self.epoch)
                self.rows.append(row)
                self.epoch += 1
                self.whole = True
                bar.update()
                bar.set_postfix(test=f"{row['test_accuracy']:.3f}")
                log.info(History.from_rows(self.config, [row]).lines()[0])
                self.save()
                if on_epoch is not None:
                    on_epoch(self, row)

    def history(self) -> History:
        """The table so far."""
        return History.from_rows(self.config, self.rows)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train both networks for one epoch and return the row of the history."""
        start, config = time.perf_counter(), self.config
        semi = config.spec.semi and epoch >= config.warm_up
        row: dict[str, float] = {"epoch": epoch, "kappa": config.kappa_at(epoch)}
        if semi:
            if epoch == 0:  # no warm-up at all
                self.start_prototypes()
            outputs = [self.per_sample(net) for net in self.nets]
            self.splits = [self.divide(out, epoch, m) for m, out in enumerate(outputs)]
            for m, division in enumerate(self.splits):
                quality = division.metrics(self.right) | epochs.prototype_quality(self, outputs[m])
                row |= {f"{name}_{m + 1}": value for name, value in quality.items()}
        for m, net in enumerate(self.nets):
            for group in self.optimizers[m].param_groups:
                group["lr"] = row[f"lr_{m + 1}"] = config.lr_at(epoch)
            if semi:
                peer = 1 - m
                sums = self.train_semi(epoch, m, self.splits[peer], outputs[peer]["logits"])
                self.move_prototypes(net, outputs[m if config.prototypes_from == "own" else peer], epoch)
            else:
                sums = self.train_supervised(epoch, m)
            row |= {f"{name}_{m + 1}": value for name, value in sums.items()}
            row |= epochs.negative_pairs(self, epoch, m)
            require_finite([name for name, value in sums.items() if not np.isfinite(value)], epoch)
        if config.spec.semi and epoch == config.warm_up - 1:  # prototypes for the first division
            self.start_prototypes()
        states = [value for net in self.nets for value in net.state_dict().values()]
        require_finite([] if all(value.isfinite().all() for value in states) else ["weights"], epoch)
        row["test_accuracy"] = self.accuracy(self.data.test_images, self.data.test_labels)
        if len(self.data.holdout_images):
            row["holdout_accuracy"] = self.accuracy(self.data.holdout_images, self.data.holdout_given)
        health.warn_of_collapse(self)
        row["seconds"] = time.perf_counter() - start
        return row

    train_supervised, train_semi = epochs.supervised, epochs.divided
    start_prototypes, divide, move_prototypes = epochs.start_prototypes, epochs.divide, epochs.move_prototypes

    def descend(self, m: int, terms: steps.Terms) -> None:
        """One SGD step of network `m`."""
        self.optimizers[m].zero_grad(set_to_none=True)
        terms.total.backward()
        distributed.average_gradients(self.nets[m])
        self.optimizers[m].step()

    def predict(self, net: Network, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, C) and projections (n, D) of un-augmented uint8 images; see `evaluate.predict`."""
        return evaluate.predict(net, images, self.data, self.config.crop)

    def per_sample(self, net: Network) -> dict[str, Tensor]:
        """The divide pass: outputs and losses of `net` for every training image; see `evaluate.per_sample`."""
        rows = distributed.rows_of(len(self.given))
        part = self.images[rows.start : rows.stop], self.given[rows.start : rows.stop]
        outputs = evaluate.per_sample(net, *part, self.data, self.config.crop)
        return {name: distributed.gather_uneven(value, len(self.given)) for name, value in outputs.items()}

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of images that both networks together label rightly; see `evaluate.accuracy`."""
        return evaluate.accuracy(self.nets, images, labels, self.data, self.config.crop)

    def save(self) -> None:
        """Write the history and, last, a checkpoint into the run's folder, atomically."""
        if self.folder is not None and distributed.rank() == 0:
            if not self.folder.is_dir():
                log.warning("%s was removed while training; it is made anew", self.folder)
                self.folder.mkdir(parents=True)
            health.write_history(self)
            checkpoint.save(checkpoint.state_of(self), self.folder, self.epoch)
        distributed.wait()

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        data: Dataset | None = None,
        data_folder: str | Path | None = None,
        config: Config | None = None,
        device: str | None = None,
    ) -> "Trainer":
        """Continue a run from its newest sound checkpoint; `fit` then goes on to the same weights.

        Parameters
        ----------
        folder : path
            Of the run.
        data : Dataset, optional
            The run's data; by default `data.prepare` of the stored settings.
        data_folder : path, optional
            Where `data.prepare` looks; see `data.load`.
        config : Config, optional
            What the run is expected to have been started with.
        device : str, optional
            In place of the run's own, or of "auto" if that was a GPU and there is none here.

        Returns
        -------
        Trainer

        Raises
        ------
        ValueError
            If there is no sound checkpoint, it is none of a training, the data are not those of the run, or it was
            started with other settings than `config`.
        """
        with health.listening() as heard:
            state = checkpoint.load_newest(Path(folder))
            checkpoint.require_whole(state, Path(folder))
            stored = from_dict(state["config"] | {"device": device or provenance.still_here(state["config"]["device"])})
            stored.require_same(config, f"the run in {folder}")
            trainer = cls(stored, prepare(stored, data_folder) if data is None else data, folder)
        checkpoint.restore(trainer, state)
        health.keep(trainer, heard)
        return trainer
