"""Algorithm 1: warm up two networks, split the samples, train each network on the other's split, evaluate."""

import dataclasses
import datetime
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from . import augment, batches, evaluate, gmm, losses, model, steps
from .config import Config, from_dict
from .data import Dataset, prepare
from .engine import checkpoint, health, provenance
from .engine.checks import require, require_finite
from .engine.history import History, line
from .engine.run import Run
from .engine.seeds import generator, seed_from

STATE = {"config", "data", "epoch", "rows", "nets", "optimizers", "adaptive"}  # what a checkpoint must hold
SAMPLE = 256  # training images that are looked at for a collapse
log = logging.getLogger("plremix")


class Trainer:
    """Train the method of `config` on `data`.

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
    Paper arXiv:2402.17589v2, algorithm 1; release: train.py.

    Differs
    -------
    Prototypes move by the network's own projections unless ``prototypes_from="peer"``. A part with fewer samples than a
    batch is filled up with the next likely ones. Every random number follows from the seed. The mask of an image comes
    from its own predictions; on Clothing1M and WebVision the release takes those of another sample. The release's loop
    runs one epoch more.
    """

    def __init__(self, config: Config, data: Dataset, folder: str | Path | None = None) -> None:
        require(len(data.images) >= 2, "training images", "at least two", len(data.images), "Add images.")
        most, fits = max(k for _, k in config.kappa), f"at most {data.num_classes}, the number of classes"
        require(most <= data.num_classes, "kappa", fits, most, "Lower k.")
        self.config, self.data, self.run = config, data, Run(folder)
        self.device = provenance.find_device(config.device)
        self.right = None if data.true is None else (data.true == data.given).numpy()
        self.images, self.given = data.images.to(self.device), data.given.to(self.device)
        self.statistics = data.mean, data.std
        names = ("width", "blocks", "stem_stride", "pooled") if config.backbone == "preact" else ("pretrained",)
        options = {name: getattr(config, name) for name in (*names, "precision", "compile")}
        options |= dict(kind=config.backbone, head=config.projector)
        self.nets = []
        for which in (0, 1):
            label_loss = config.spec.label_loss(len(data.given), data.num_classes)
            draws = generator(config.seed, 1, which)
            shape = data.num_classes, data.images.shape[1]
            net = model.Network(*shape, label_loss=label_loss, generator=draws, **options)
            self.nets.append(net.to(self.device, memory_format=torch.channels_last))
        options = dict(lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        options |= {"fused": True} if self.device.type == "cuda" else {}
        self.optimizers = [torch.optim.SGD(net.parameters(), **options) for net in self.nets]
        start = torch.full((data.num_classes,), 1 / data.num_classes, device=self.device)
        self.adaptive = model.SelfAdaptive(start[0].clone(), start)
        self.epoch, self.rows, self.stretches = 0, [], []
        self.within_epoch = False
        self.splits: list[gmm.Split] = []

    def fit(self, progress: bool = True, on_epoch: Callable[["Trainer", dict], None] | None = None) -> History:
        """Train until the last epoch, from wherever this trainer stands.

        Parameters
        ----------
        progress : bool
            Show a bar with the time left.
        on_epoch : callable, optional
            Called with the trainer and the finished epoch's row before both are saved; columns that it adds to the row
            are saved, too.

        Raises
        ------
        FloatingPointError
            If a loss or weight is not finite; the last checkpoint stays as it was.
        ValueError
            If a new training would write into a folder that holds another one's checkpoints, another training runs
            there, or this trainer was interrupted within an epoch.
        """
        where, remedy = f"one in epoch {self.epoch}", "Go on with Trainer.resume(folder), or make a new trainer."
        require(not self.within_epoch, "trainer", "one that was not interrupted within an epoch", where, remedy)
        with self.run.hold():
            if self.epoch == 0:
                if self.run.folder is not None:
                    checkpoint.refuse_used(self.run.folder)
                self._warn_of_data()
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            self.stretches.append(dict(from_epoch=self.epoch, device=provenance.processor(self.device), date=now))
            total = self.config.epochs
            with tqdm(total=total, initial=self.epoch, disable=not progress, unit="epoch") as bar:
                while self.epoch < total:
                    self.within_epoch = True
                    row = self.run_epoch(self.epoch)
                    self.rows.append(row)
                    self.epoch += 1
                    self.within_epoch = False
                    try:
                        if on_epoch is not None:
                            on_epoch(self, row)
                    finally:
                        self.save()
                    bar.update()
                    bar.set_postfix(test=f"{row['test_accuracy']:.3f}")
            if self.run.folder is not None:  # if there was nothing left to do: perhaps it was lost
                self.history().save(self.run.folder / "history.csv")
        return self.history()

    def history(self) -> History:
        """The table so far."""
        return History.from_rows(self.config, self.rows)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train both networks for one epoch and return the row of the history."""
        start, config = time.perf_counter(), self.config
        joint = epoch >= config.warm_up and (config.spec.semi or config.spec.negatives == "relaxed")
        row: dict[str, float] = {"epoch": epoch, "kappa": config.kappa_at(epoch)}
        outputs = []
        if joint:
            if epoch == 0:  # no warm-up at all
                self.start_prototypes()
            outputs = [self.per_sample(net) for net in self.nets]
        if joint and config.spec.semi:
            self.splits = [self.split(out, epoch, which) for which, out in enumerate(outputs)]
            for which, split in enumerate(self.splits):
                found = split.metrics(self.right) | self._prototype_accuracy(outputs[which])
                row |= {f"{name}_{which + 1}": value for name, value in found.items()}
        for which, net in enumerate(self.nets):
            for group in self.optimizers[which].param_groups:
                group["lr"] = row[f"lr_{which + 1}"] = config.lr_at(epoch)
            peer_logits = outputs[1 - which]["logits"] if outputs else None
            if joint and config.spec.semi:
                means = self.train_semi(epoch, which, self.splits[1 - which], peer_logits)
                self.move_prototypes(net, outputs[which if config.prototypes_from == "own" else 1 - which], epoch)
            else:
                means = self.train_supervised(epoch, which, peer_logits)
            require_finite([name for name, value in means.items() if not np.isfinite(value)], epoch)
            row |= {f"{name}_{which + 1}": value for name, value in means.items()}
        if epoch == config.warm_up - 1 and (config.spec.semi or config.spec.negatives == "relaxed"):
            self.start_prototypes()  # for the first split
        states = [value for net in self.nets for value in net.state_dict().values()]
        require_finite([] if all(value.isfinite().all() for value in states) else ["weights"], epoch)
        row["test_accuracy"] = self.accuracy(self.data.test_images, self.data.test_labels)
        if len(self.data.holdout_images):
            row["holdout_accuracy"] = self.accuracy(self.data.holdout_images, self.data.holdout_given)
        self._warn_of_collapse()
        row["seconds"] = time.perf_counter() - start
        return row

    def train_supervised(self, epoch: int, which: int, peer_logits: Tensor | None = None) -> dict[str, float]:
        """One epoch of network `which` on the given labels; with the peer's logits (N, C) its negatives are relaxed."""
        config, net = self.config, self.nets[which].train()
        draws = generator(config.seed, 2, epoch, which)
        size = min(2 * config.batch_size, len(self.given))
        count = config.steps_per_epoch or len(self.given) // size
        order = batches.batch_order(torch.arange(len(self.given)), size, count, draws)
        weak, contrast = int(config.supervised_view == "weak"), self.contrasts(epoch)
        terms, strong_views = [], (1 - weak) + 2 * contrast
        for views in batches.passes(self.images, order, weak, strong_views, config, self.statistics, draws):
            shown = views.weak[0] if weak else views.strong[0]
            pair, given, mask = views.strong[-2:] if contrast else None, self.given[views.index], None
            if contrast and epoch >= config.warm_up:
                logits = None if peer_logits is None else peer_logits[views.index]
                mask = steps.negative_mask(config, logits, given, epoch)
            step = steps.supervised_step(net, shown, pair, given, views.index, config, mask, views.small)
            self.descend(which, step)
            terms.append(step.detached())
        return self._mean(terms, contrast, epoch, which)

    def train_semi(self, epoch: int, which: int, split: gmm.Split, peer_logits: Tensor) -> dict[str, float]:
        """One epoch of network `which` on the peer's split; returns the mean terms, nothing if the epoch is skipped."""
        config, size = self.config, self.config.batch_size
        draws = generator(config.seed, 2, epoch, which)
        net, peer = self.nets[which].train(), self.nets[1 - which].eval()
        fill = config.short_parts == "fill"
        clean, noisy = split.indices(size if fill else 0)
        sizes = int(split.is_clean.sum()), int((~split.is_clean).sum())
        if min(sizes) < size:
            done = "filled up with the next likely" if fill else "nothing is trained"
            text = "epoch %d, network %d: a part is smaller than a batch (%d clean, %d noisy samples, batch %d): %s"
            log.warning(text, epoch, which + 1, *sizes, size, done)
            if not fill:
                return {}
        count = config.steps_per_epoch or max(1, len(clean) // size)
        order = [batches.batch_order(torch.from_numpy(part), size, count, draws) for part in (clean, noisy)]
        mixing = np.random.default_rng([config.seed, 3, epoch, which])
        p_clean = torch.from_numpy(split.p_clean).to(self.device, torch.float32)
        terms: list[steps.Terms] = []
        passes = batches.passes(self.images, torch.cat(order, dim=1), 2, 2, config, self.statistics, draws)
        for index, weak, strong, small in passes:  # views (2, 2B, c, H, W): labeled, unlabeled
            given, first = self.given[index], index[:size]
            targets = steps.co_refine_and_co_guess(
                net, peer, weak[:, :size], weak[:, size:], given[:size], p_clean[first], config.sharpening
            )
            mix = mixing.beta(config.mixup_alpha, config.mixup_alpha)
            permutation = augment.to_device(torch.randperm(4 * size, generator=draws), self.device)
            ramp = losses.ramp_up(epoch + len(terms) / count, config.warm_up, config.ramp_epochs)
            mask = steps.negative_mask(config, peer_logits[index], given, epoch)
            mixing_terms = max(mix, 1 - mix), permutation, config.lambda_u * ramp, config, small
            step = steps.semi_step(net, strong[:, :size], strong[:, size:], *targets, mask, *mixing_terms)
            self.descend(which, step)
            terms.append(step.detached())
        return self._mean(terms, config.spec.negatives != "none", epoch, which)

    def descend(self, which: int, terms: steps.Terms) -> None:
        """One SGD step of network `which`."""
        self.optimizers[which].zero_grad(set_to_none=True)
        terms.total.backward()
        self.optimizers[which].step()

    @torch.no_grad()
    def start_prototypes(self) -> None:
        """Set the prototypes of both networks to their class means, at the end of warm-up."""
        for net in self.nets:
            projection = self.per_sample(net)["projection"]
            net.prototypes.copy_(model.init_prototypes(projection, self.given, self.data.num_classes))

    def split(self, outputs: dict[str, Tensor], epoch: int, which: int) -> gmm.Split:
        """Split the samples by the losses of network `which`."""
        columns = ("loss_cls", "loss_proto")[: self.config.spec.dims]
        arrays = [outputs[column].cpu().numpy() for column in columns]
        seed = seed_from(self.config.seed, 4, epoch, which) % 2**32
        split = gmm.split_clean(*arrays, threshold=self.config.threshold, seed=seed)
        if split.mixture is None:
            log.warning("epoch %d, network %d: all losses agree, every sample counts as clean", epoch, which + 1)
        return split

    @torch.no_grad()
    def move_prototypes(self, net: model.Network, outputs: dict[str, Tensor], epoch: int) -> None:
        """Select confident samples and move the prototypes of `net` by their projections."""
        self.adaptive, selected, labels = model.select_confident(
            self.adaptive, outputs["proto_logits"], outputs["logits"], min(epoch / self.config.epochs, 1.0)
        )
        chosen = outputs["projection"][selected], labels[selected]
        net.prototypes.copy_(model.update_prototypes(net.prototypes, *chosen, self.config.proto_momentum))

    def contrasts(self, epoch: int) -> bool:
        """Whether the contrastive loss is on in `epoch`."""
        config = self.config
        return config.spec.negatives != "none" and (epoch >= config.warm_up or config.warm_up_contrast)

    def predict(self, net: model.Network, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, C) and projections (n, D) of un-augmented uint8 images; see `evaluate.predict`."""
        return evaluate.predict(net, images, self.data, self.config.crop)

    def per_sample(self, net: model.Network) -> dict[str, Tensor]:
        """Outputs and losses of `net` for every training image; see `evaluate.per_sample`."""
        return evaluate.per_sample(net, self.images, self.given, self.data, self.config.crop)

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of images that both networks together label rightly; see `evaluate.accuracy`."""
        return evaluate.accuracy(self.nets, images, labels, self.data, self.config.crop)

    def state_dict(self) -> dict:
        """Everything that a trainer needs to go on; random states follow from the seed and the epoch."""
        return {
            "config": dataclasses.asdict(self.config),
            "data": self.data.fingerprint(),
            "epoch": self.epoch,
            "rows": self.rows,
            "nets": [net.state_dict() for net in self.nets],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "adaptive": list(self.adaptive),
            "stretches": self.stretches,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state of the same settings and data; other data are refused."""
        found, remedy = self.data.fingerprint(), "Pass the run's own data."
        require(found == state["data"], "data", f"those of the run ({state['data']})", found, remedy)
        for net, content in zip(self.nets, state["nets"]):
            net.load_state_dict(content)
        for optimizer, content in zip(self.optimizers, state["optimizers"]):
            fused = {"fused": optimizer.defaults["fused"]}  # as this device wants it
            optimizer.load_state_dict(content | {"param_groups": [group | fused for group in content["param_groups"]]})
        self.adaptive = model.SelfAdaptive(*(tensor.to(self.device) for tensor in state["adaptive"]))
        self.epoch, self.rows, self.stretches = state["epoch"], state["rows"], state.get("stretches", [])

    def save(self) -> None:
        """Write the history and, last, a checkpoint into the run's folder, atomically."""
        self.run.save(self.state_dict(), self.history(), self.epoch)
        log.info(line(self.rows[-1]))

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

        Raises
        ------
        ValueError
            If there is no sound checkpoint, it is none of a training, the data are not those of the run, or it was
            started with other settings than `config`.
        """
        with Run(folder).logged():
            state = checkpoint.load_newest(Path(folder))
            checkpoint.require_whole(state, STATE, Path(folder))
            device = device or provenance.still_here(state["config"]["device"])
            stored = from_dict(state["config"] | {"device": device})
            stored.require_same(config, f"the run in {folder}")
            trainer = cls(stored, prepare(stored, data_folder) if data is None else data, folder)
            trainer.load_state_dict(state)
        return trainer

    def _mean(self, terms: list[steps.Terms], contrast: bool, epoch: int, which: int) -> dict[str, float]:
        """Mean terms of an epoch; a warning if the contrast did nothing throughout."""
        means = steps.mean_terms(terms)
        if contrast and means["negatives"] == 0:
            text = "epoch %d, network %d: no image repels another, the contrast does nothing"
            log.warning(text, epoch, which + 1)
        return means

    def _prototype_accuracy(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        """Share of training images whose nearest prototype is that of the true class, if it is known."""
        if self.data.true is None:
            return {}
        nearest = outputs["proto_logits"].argmax(dim=1).cpu()
        return {"proto_accuracy": float((nearest == self.data.true).double().mean())}

    def _warn_of_data(self) -> None:
        """Name in the log what will not work as meant with these data or on this device."""
        config, data = self.config, self.data
        missing = sorted(set(range(data.num_classes)) - set(data.given.unique().tolist()))
        if missing:
            names = ", ".join(data.class_names[c] for c in missing[:5])
            log.warning("%d classes have no given label (%s%s)", len(missing), names, ", ..." * (len(missing) > 5))
        if config.noise == "file" and data.true is not None and data.real_rate > 1 - 1 / data.num_classes:
            log.warning("%s is right no more often than by chance: another order?", config.label_file)
        idle = [k for _, k in config.kappa if 2 * k > data.num_classes]
        if idle and config.spec.negatives == "relaxed":
            log.warning("kappa = %s with %d classes: every two candidate sets overlap", idle, data.num_classes)
        if config.precision == "bf16" and provenance.slow_bf16(self.device):
            log.warning(
                "bf16 is 10 to 30 times slower than float32 on this processor, which has no instructions for it"
            )

    def _warn_of_collapse(self) -> None:
        """Name in the log a network that predicts one class for all images, or projects them to one point."""
        size = len(self.given)
        some = torch.linspace(0, size - 1, min(SAMPLE, size), device=self.device).long()
        for which, net in enumerate(self.nets):
            logits, projection = self.predict(net, self.images[some])
            seen = projection if self.config.spec.negatives != "none" else None
            if float(torch.bincount(self.given).max()) < health.ONE_CLASS * size:  # else one class is no fault
                for text in health.collapsed(logits, seen, self.data.class_names):
                    log.warning("epoch %d, network %d %s", self.epoch, which + 1, text)
