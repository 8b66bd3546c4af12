"""Train two networks on wrong labels: warm up, divide, train, evaluate, checkpoint."""

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import Tensor
from tqdm.auto import tqdm

from . import augment, checkpoint, gmm, losses, steps
from .checks import require
from .config import Config, from_dict
from .data import Dataset, prepare
from .history import History
from .model import Network, SelfAdaptive, init_prototypes, select_confident, update_prototypes

log = logging.getLogger("plremix")
EVAL_BATCH = 2048


def generator(*keys: int) -> torch.Generator:
    """A CPU generator that depends on all `keys` (seed, purpose, epoch, network, ...) and on nothing else."""
    state = np.random.SeedSequence(keys).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


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
        self.config, self.data = config, data
        self.folder = None if folder is None else Path(folder)
        device = config.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.images, self.given = data.images.to(self.device), data.given.to(self.device)
        shape = dict(width=config.width, blocks=config.blocks, stem_stride=config.stem_stride)
        self.nets = []
        for m in (0, 1):
            net = Network(data.num_classes, data.images.shape[1], generator=generator(config.seed, 1, m), **shape)
            self.nets.append(net.to(self.device, memory_format=torch.channels_last))
        options = dict(lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        self.optimizers = [torch.optim.SGD(net.parameters(), **options) for net in self.nets]
        start = torch.full((data.num_classes,), 1 / data.num_classes, device=self.device)
        self.adaptive = SelfAdaptive(start[0].clone(), start)
        self.epoch, self.rows = 0, []
        self.divisions: list[gmm.Division] = []

    def fit(self, progress: bool = True, on_epoch: Callable[["Trainer", dict], None] | None = None) -> History:
        """Train until `config.epochs`, from wherever this trainer stands.

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
            If a loss is not finite; the last checkpoint stays as it was.
        """
        bar = tqdm(total=self.config.epochs, initial=self.epoch, disable=not progress, unit="epoch")
        while self.epoch < self.config.epochs:
            row = self.run_epoch(self.epoch)
            self.rows.append(row)
            self.epoch += 1
            bar.update()
            bar.set_postfix(test=f"{row['test_accuracy']:.3f}")
            log.info(" ".join(f"{k}={v:.4g}" for k, v in row.items()))
            if self.folder is not None:
                self.save()
            if on_epoch is not None:
                on_epoch(self, row)
        bar.close()
        return self.history()

    def history(self) -> History:
        """The table so far."""
        return History.from_rows(self.config, self.rows)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train both networks for one epoch and return the row of the history."""
        start, config = time.perf_counter(), self.config
        semi = config.parts.semi and epoch >= config.warm_up
        row: dict[str, float] = {"epoch": epoch, "kappa": config.kappa_at(epoch)}
        if semi:
            outputs = [self.per_sample(net) for net in self.nets]
            self.divisions = [self.divide(out, epoch, m) for m, out in enumerate(outputs)]
            for m, division in enumerate(self.divisions):
                row |= self.quality(division, m)
        for m, net in enumerate(self.nets):
            for group in self.optimizers[m].param_groups:
                group["lr"] = row[f"lr_{m + 1}"] = config.lr_at(epoch)
            if semi:
                peer = 1 - m
                sums = self.train_divided(epoch, m, self.divisions[peer], outputs[peer]["logits"])
                self.move_prototypes(net, outputs[m if config.prototypes_from == "own" else peer], epoch)
            else:
                sums = self.train_supervised(epoch, m)
            for name, value in sums.items():
                row[f"{name}_{m + 1}"] = value
            bad = [name for name, value in sums.items() if not np.isfinite(value)]
            if bad:
                raise FloatingPointError(f"{bad} must be finite, got nan or inf in epoch {epoch}. Lower lr, or resume.")
        if config.parts.semi and epoch == config.warm_up - 1:
            self.start_prototypes()
        row["test_accuracy"] = self.accuracy(self.data.test_images, self.data.test_labels)
        if len(self.data.holdout_images):
            row["holdout_accuracy"] = self.accuracy(self.data.holdout_images, self.data.holdout_given)
        row["seconds"] = time.perf_counter() - start
        return row

    @torch.no_grad()
    def start_prototypes(self) -> None:
        """Set the prototypes of both networks to their class means, at the end of warm-up."""
        for net in self.nets:
            net.prototypes.copy_(init_prototypes(self.per_sample(net)["projection"], self.given, self.data.num_classes))

    def train_supervised(self, epoch: int, m: int) -> dict[str, float]:
        """One epoch of warm-up, or of plain cross-entropy, of network `m`; returns the mean terms."""
        config, net, draws = self.config, self.nets[m].train(), generator(self.config.seed, 2, epoch, m)
        batch = min(2 * config.batch_size, len(self.given))
        order = augment.batch_order(
            torch.arange(len(self.given)), batch, config.steps_per_epoch or len(self.given) // batch, draws
        )
        weak = int(config.supervised_view == "weak")
        strong = (1 - weak) + (2 if config.parts.repel != "none" else 0)
        terms = []
        for index, views in augment.passes(self.images, order, weak, strong, config, draws):
            views = self.normalise(views)
            pair = views[1:] if len(views) == 3 else None
            terms.append(steps.supervised_step(net, views[0], pair, self.given[index], config))
            self.descend(m, terms[-1])
        return mean_terms(terms)

    def train_divided(self, epoch: int, m: int, division: gmm.Division, peer_logits: Tensor) -> dict[str, float]:
        """One epoch of network `m` on the peer's division; returns the mean terms."""
        config, size, draws = self.config, self.config.batch_size, generator(self.config.seed, 2, epoch, m)
        net, peer = self.nets[m].train(), self.nets[1 - m].eval()
        clean, noisy = division.parts(size)
        count = config.steps_per_epoch or max(1, len(clean) // size)
        order = [augment.batch_order(torch.from_numpy(part), size, count, draws) for part in (clean, noisy)]
        mixing = np.random.default_rng([config.seed, 3, epoch, m])
        p_clean = torch.from_numpy(division.p_clean).to(self.device, torch.float32)
        terms = []
        for index, views in augment.passes(self.images, torch.cat(order, dim=1), 2, 2, config, draws):
            views, given = self.normalise(views), self.given[index]
            weak, strong = views[:2], views[2:]  # (2, 2B, c, H, W): clean then noisy batch
            targets = steps.guess_targets(
                net, peer, weak[:, :size], weak[:, size:], given[:size], p_clean[index[:size]], config.sharpening
            )
            mix = mixing.beta(config.mixup_alpha, config.mixup_alpha)
            permutation = torch.randperm(4 * size, generator=draws).to(self.device)
            weight_u = config.lambda_u * losses.ramp_up(epoch + len(terms) / count, config.warm_up, config.ramp_epochs)
            mask = self.mask(peer_logits[index], given, epoch)
            strong = strong[:, :size], strong[:, size:]
            terms.append(
                steps.semi_step(net, *strong, *targets, mask, max(mix, 1 - mix), permutation, weight_u, config)
            )
            self.descend(m, terms[-1])
        return mean_terms(terms)

    def mask(self, logits: Tensor, given: Tensor, epoch: int) -> Tensor | None:
        """Pairs that repel under the method; None without contrast."""
        if self.config.parts.repel == "plr":
            return losses.plr_mask(logits, given, self.config.kappa_at(epoch))
        return losses.repel_all(len(given), self.device) if self.config.parts.repel == "all" else None

    def normalise(self, views: Tensor) -> Tensor:
        """uint8 views (V, B, c, H, W) -> float32."""
        flat = augment.normalise(views.flatten(0, 1), self.data.mean, self.data.std)
        return flat.contiguous(memory_format=torch.channels_last).unflatten(0, views.shape[:2])

    def descend(self, m: int, terms: steps.Terms) -> None:
        """One SGD step of network `m`."""
        self.optimizers[m].zero_grad(set_to_none=True)
        terms.total.backward()
        self.optimizers[m].step()

    @torch.no_grad()
    def predict(self, net: Network, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, C) and projections (n, D) of un-augmented uint8 images, in eval mode."""
        net.eval()
        outputs = []
        for part in images.split(EVAL_BATCH):
            part = augment.normalise(part.to(self.device), self.data.mean, self.data.std)
            outputs.append(net(part.contiguous(memory_format=torch.channels_last)))
        return torch.cat([o.logits for o in outputs]), torch.cat([o.projection for o in outputs])

    def per_sample(self, net: Network) -> dict[str, Tensor]:
        """The divide pass: outputs and losses of `net` for every training image, against the given labels."""
        logits, projection = self.predict(net, self.images)
        proto_logits = net.proto_logits(projection)
        loss = {
            "loss_cls": F.cross_entropy(logits, self.given, reduction="none"),
            "loss_proto": F.cross_entropy(proto_logits, self.given, reduction="none"),
        }
        return {"logits": logits, "projection": projection, "proto_logits": proto_logits, **loss}

    def divide(self, outputs: dict[str, Tensor], epoch: int, m: int) -> gmm.Division:
        """Split the samples by the losses of network `m`."""
        columns = ("loss_cls", "loss_proto")[: self.config.parts.dims]
        arrays = [outputs[column].cpu().numpy() for column in columns]
        seed = int(np.random.SeedSequence([self.config.seed, 4, epoch, m]).generate_state(1)[0])
        return gmm.split_clean(*arrays, threshold=self.config.threshold, seed=seed)

    def quality(self, division: gmm.Division, m: int) -> dict[str, float]:
        """Sizes of a division and, where true labels are known, how well it separates."""
        row = {"clean": int(division.is_clean.sum()), "noisy": int((~division.is_clean).sum())}
        if self.data.true is not None:
            right = (self.data.true == self.data.given).numpy()
            hits = (right & division.is_clean).sum()
            both = 0 < right.sum() < len(right)
            row["auc"] = float(roc_auc_score(right, division.p_clean)) if both else float("nan")
            row["precision"] = hits / max(row["clean"], 1)
            row["recall"] = hits / max(right.sum(), 1)
        return {f"{name}_{m + 1}": value for name, value in row.items()}

    @torch.no_grad()
    def move_prototypes(self, net: Network, outputs: dict[str, Tensor], epoch: int) -> None:
        """Select confident samples and move the prototypes of `net` by their projections."""
        self.adaptive, selected, predicted = select_confident(
            self.adaptive, outputs["proto_logits"], outputs["logits"], epoch / self.config.epochs
        )
        net.prototypes.copy_(
            update_prototypes(
                net.prototypes, outputs["projection"][selected], predicted[selected], self.config.proto_momentum
            )
        )

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of images whose label is the argmax of both networks' summed logits."""
        logits = sum(self.predict(net, images)[0] for net in self.nets)
        return float((logits.argmax(dim=1).cpu() == labels.cpu()).double().mean())

    def save(self) -> None:
        """Write a checkpoint and the history into the run's folder, atomically."""
        state = {
            "config": dataclasses.asdict(self.config),
            "data": self.data.fingerprint(),
            "epoch": self.epoch,
            "rows": self.rows,
            "nets": [net.state_dict() for net in self.nets],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "adaptive": list(self.adaptive),
        }
        checkpoint.save(state, self.folder, self.epoch)
        self.history().save(self.folder / "history.csv")

    @classmethod
    def resume(
        cls, folder: str | Path, data: Dataset | None = None, data_folder: str | Path | None = None
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

        Returns
        -------
        Trainer

        Raises
        ------
        ValueError
            If there is no sound checkpoint or the data are not those of the run.
        """
        state = checkpoint.load_newest(Path(folder))
        config = from_dict(state["config"])
        trainer = cls(config, prepare(config, data_folder) if data is None else data, folder)
        found = trainer.data.fingerprint()
        require(
            found == state["data"], "data", f"those of the run ({state['data']})", found, "Pass the run's own data."
        )
        for kind in ("nets", "optimizers"):
            for object_, saved in zip(getattr(trainer, kind), state[kind]):
                object_.load_state_dict(saved)
        trainer.adaptive = SelfAdaptive(*(tensor.to(trainer.device) for tensor in state["adaptive"]))
        trainer.epoch, trainer.rows = state["epoch"], state["rows"]
        return trainer


def mean_terms(terms: list[steps.Terms]) -> dict[str, float]:
    """Means over the steps of an epoch; the only wait for the device."""
    means = torch.stack([torch.stack([value.detach().float() for value in step]) for step in terms]).mean(dim=0)
    return dict(zip(steps.Terms._fields, means.tolist()))
