"""Algorithm 1: warm up two networks, split the samples, train each network on the other's split, evaluate."""

import dataclasses
import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import batches, evaluate, gmm, label_losses, losses, model, steps
from .config import Config, from_dict
from .data.augment import to_device
from .data.dataset import Dataset
from .data.sets import reopen
from .engine import health, provenance
from .engine.checks import require, require_finite
from .engine.resumable import Resumable
from .engine.seeds import generator, seed_from

SAMPLE = 256  # training images that are looked at for a collapse
NO_PAIR = "epoch %d, network %d: there is no negative pair, the contrast does nothing; try method dividemix-2d"
log = logging.getLogger("plremix")


class Trainer(Resumable):
    """Train the method of `config` on `data`, made by `data.prepare(config)` or `data.from_arrays`.

    Checkpoints, ``history.csv`` and ``log.txt`` go into `folder`; nothing is written without it. Every random number
    follows from the seed. A ValueError says what in the data does not fit the settings.

    Source: paper arXiv:2402.17589v2, algorithm 1; release, train.py.
    Differs: prototypes move by the network's own projections unless ``prototypes_from="peer"``. A part below a batch is
    filled up with the next likely samples. The mask of an image comes from its own predictions; on Clothing1M and
    WebVision the release takes those of another sample. The release's loop runs one epoch more.
    """

    STATE = {"config", "data", "epoch", "rows", "nets", "optimizers", "adaptive"}  # what a checkpoint must hold

    def __init__(self, config: Config, data: Dataset, folder: str | Path | None = None) -> None:
        require(len(data.images) >= 2, "training images", "at least two", len(data.images), "Add images.")
        most, fits = max(k for _, k in config.kappa), f"at most {data.num_classes}, the number of classes"
        require(most <= data.num_classes, "kappa", fits, most, "Lower k.")
        super().__init__(config, folder, provenance.find_device(config.device))
        self.right = None if data.true is None else (data.true == data.given).numpy()
        self.images, self.given = data.images.to(self.device), data.given.to(self.device)
        self.data, self.statistics = data, (data.mean, data.std)
        self.nets = [self._network(generator(config.seed, 1, which)) for which in (0, 1)]
        options = dict(lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        options |= {"fused": True} if self.device.type == "cuda" else {}
        self.optimizers = [torch.optim.SGD(net.parameters(), **options) for net in self.nets]
        self.adaptive = model.SelfAdaptive.start(data.num_classes, self.device)
        self.splits: list[gmm.Split] = []

    def _network(self, draws: torch.Generator) -> model.Network:
        config, data = self.config, self.data
        names = ("width", "blocks", "stem_stride", "pooled") if config.backbone == "preact" else ("pretrained",)
        options = {name: getattr(config, name) for name in (*names, "precision", "compile")}
        options |= dict(kind=config.backbone, head=config.projector, generator=draws)
        loss = config.spec.label_loss
        loss = getattr(label_losses, loss) if isinstance(loss, str) else loss
        options |= dict(label_loss=loss(len(data.given), data.num_classes))
        net = model.Network(data.num_classes, data.images.shape[1], **options)
        return net.to(self.device, memory_format=torch.channels_last)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train both networks for one epoch and return the row of the history."""
        start, config, spec = time.perf_counter(), self.config, self.config.spec
        semi, row = spec.semi and epoch >= config.warm_up, {"epoch": epoch, "kappa": config.kappa_at(epoch)}
        if spec.semi and epoch == config.warm_up == 0:
            self.start_prototypes()
        asked = semi or (spec.negatives == "relaxed" and epoch >= config.warm_up)  # each network asks its peer
        outputs = [self.per_sample(net) for net in self.nets] if asked else [None, None]
        self.splits = [self.split(out, epoch, which) for which, out in enumerate(outputs)] if semi else []
        for which, net in enumerate(self.nets):
            found = {"lr": config.lr_at(epoch)}
            self.optimizers[which].param_groups[0]["lr"] = found["lr"]
            peer_logits = outputs[1 - which]["logits"] if asked else None
            if semi:
                found |= self.splits[which].metrics(self.right) | evaluate.prototype_accuracy(
                    outputs[which], self.data.true
                )
                found |= self.train_semi(epoch, which, self.splits[1 - which], peer_logits)
                self.move_prototypes(net, outputs[which if config.prototypes_from == "own" else 1 - which], epoch)
            else:
                found |= self.train_supervised(epoch, which, peer_logits)
            told = any(old.get(f"negatives_{which + 1}") == 0 for old in self.rows)
            if found.get("negatives") == 0 and config.contrasts_in(epoch) and not told:
                log.warning(NO_PAIR, epoch, which + 1)
            require_finite([n for n, value in found.items() if n in steps.COLUMNS and not np.isfinite(value)], epoch)
            row |= {f"{name}_{which + 1}": value for name, value in found.items()}
        if spec.semi and epoch == config.warm_up - 1:
            self.start_prototypes()
        finite = all(value.isfinite().all() for net in self.nets for value in net.state_dict().values())
        require_finite([] if finite else ["weights"], epoch)
        row["test_accuracy"] = self.accuracy(self.data.test_images, self.data.test_labels)
        if len(self.data.holdout_images):
            row["holdout_accuracy"] = self.accuracy(self.data.holdout_images, self.data.holdout_given)
        self._warn_of_collapse()
        return row | {"seconds": time.perf_counter() - start}

    def train_supervised(self, epoch: int, which: int, peer_logits: Tensor | None = None) -> dict[str, float]:
        """One epoch of network `which` on the given labels; with the peer's logits (N, C) its negatives are relaxed."""
        config, net, draws = self.config, self.nets[which].train(), generator(self.config.seed, 2, epoch, which)
        size = min(2 * config.batch_size, len(self.given))
        count = config.steps_per_epoch or len(self.given) // size
        order = batches.batch_order(torch.arange(len(self.given)), size, count, draws)
        weak, contrast, terms = int(config.supervised_view == "weak"), config.contrasts_in(epoch), []
        kinds = weak, (1 - weak) + 2 * contrast
        for views in batches.passes(self.images, order, *kinds, config, self.statistics, draws):
            shown = views.weak[0] if weak else views.strong[0]
            pair, given, mask = views.strong[-2:] if contrast else None, self.given[views.index], None
            if contrast and epoch >= config.warm_up:
                logits = None if peer_logits is None else peer_logits[views.index]
                mask = steps.negative_mask(config, logits, given, epoch)
            step = steps.supervised_step(net, shown, pair, given, views.index, config, mask, views.small)
            self.descend(which, step)
            terms.append(step.detached())
        return steps.mean_terms(terms)

    def train_semi(self, epoch: int, which: int, split: gmm.Split, peer_logits: Tensor) -> dict[str, float]:
        """One epoch of network `which` on the peer's split; returns the mean terms, nothing if the epoch is skipped."""
        config, size, draws = self.config, self.config.batch_size, generator(self.config.seed, 2, epoch, which)
        net, peer = self.nets[which].train(), self.nets[1 - which].eval()
        fill, sizes = config.short_parts == "fill", (int(split.is_clean.sum()), int((~split.is_clean).sum()))
        if min(sizes) < size:
            done = "filled up with the next likely" if fill else "nothing is trained"
            text = "epoch %d, network %d: a part is smaller than a batch (%d clean, %d noisy samples, batch %d): %s"
            log.warning(text, epoch, which + 1, *sizes, size, done)
            if not fill:
                return {}
        clean, noisy = split.indices(size if fill else 0)
        count = config.steps_per_epoch or max(1, len(clean) // size)
        order = [batches.batch_order(torch.from_numpy(part), size, count, draws) for part in (clean, noisy)]
        mixing = np.random.default_rng([config.seed, 3, epoch, which])
        p_clean = torch.from_numpy(split.p_clean).to(self.device, torch.float32)
        terms: list[steps.Terms] = []
        passes = batches.passes(self.images, torch.cat(order, dim=1), 2, 2, config, self.statistics, draws)
        for index, weak, strong, small in passes:  # views (2, 2B, c, H, W): labeled, unlabeled
            given, trust = self.given[index], p_clean[index[:size]]
            halves = weak[:, :size], weak[:, size:], given[:size]
            targets = steps.co_refine_and_co_guess(net, peer, *halves, trust, config.sharpening)
            mix = mixing.beta(config.mixup_alpha, config.mixup_alpha)
            permutation = to_device(torch.randperm(4 * size, generator=draws), self.device)
            ramp = losses.ramp_up(epoch + len(terms) / count, config.warm_up, config.ramp_epochs)
            mask = steps.negative_mask(config, peer_logits[index], given, epoch)
            mixing_terms = max(mix, 1 - mix), permutation, config.lambda_u * ramp, config, small
            step = steps.semi_step(net, strong[:, :size], strong[:, size:], *targets, mask, *mixing_terms)
            self.descend(which, step)
            terms.append(step.detached())
        return steps.mean_terms(terms)

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
        both, progress = (outputs["proto_logits"], outputs["logits"]), min(epoch / self.config.epochs, 1.0)
        self.adaptive, selected, labels = model.select_confident(self.adaptive, *both, progress)
        chosen = outputs["projection"][selected], labels[selected]
        net.prototypes.copy_(model.update_prototypes(net.prototypes, *chosen, self.config.proto_momentum))

    def predict(self, net: model.Network, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, C) and projections (n, D) of un-augmented uint8 images; see `evaluate.predict`."""
        return evaluate.predict(net, images, self.data, self.config.crop)

    def per_sample(self, net: model.Network) -> dict[str, Tensor]:
        """Outputs and losses of `net` for every training image; see `evaluate.per_sample`."""
        return evaluate.per_sample(net, self.images, self.given, self.data, self.config.crop)

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of images that both networks together classify correctly; see `evaluate.accuracy`."""
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
            "source": self.data.source,
            "classes": self.data.about(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state of the same settings and data; other data are refused."""
        found, right = self.data.fingerprint(), state["data"]
        require(found == right, "data", f"those of the run ({right})", found, "Pass the run's own data.")
        for net, content in zip(self.nets, state["nets"]):
            net.load_state_dict(content)
        for optimizer, content in zip(self.optimizers, state["optimizers"]):
            fused = {"fused": optimizer.defaults["fused"]}  # as this device wants it
            optimizer.load_state_dict(content | {"param_groups": [group | fused for group in content["param_groups"]]})
        self.adaptive = model.SelfAdaptive(*(tensor.to(self.device) for tensor in state["adaptive"]))
        self.epoch, self.rows, self.stretches = state["epoch"], state["rows"], state.get("stretches", [])

    @classmethod
    def from_stored(
        cls, state: dict, folder: str | Path, data: Dataset | None, data_folder: str | Path | None, config: object
    ) -> "Trainer":
        """Make a trainer for `resume`; the stored settings must be those of `config` unless that is None."""
        stored = from_dict(state["config"])
        stored.require_same(config, f"the run in {folder}")
        source = state.get("source", {"folder": None})  # earlier checkpoints lack it
        return cls(stored, reopen(stored, source, data_folder) if data is None else data, folder)

    def warn_of_data(self) -> None:
        """Name in the log what will not work as meant with these data or on this device."""
        config, data = self.config, self.data
        found = health.of_labels(data.given, data.true, data.class_names)
        if config.spec.negatives == "relaxed":
            found += health.of_candidates([k for _, k in config.kappa], data.num_classes)
        if config.precision == "bf16" and provenance.slow_bf16(self.device):
            found.append(health.SLOW_BF16)
        for text in found:
            log.warning(text)

    def _warn_of_collapse(self) -> None:
        """Name in the log a network that predicts one class for all images, or projects them to one point."""
        some = torch.linspace(0, len(self.given) - 1, min(SAMPLE, len(self.given)), device=self.device).long()
        for which, net in enumerate(self.nets):
            logits, projection = self.predict(net, self.images[some])
            trained = None if self.config.spec.negatives == "none" else projection
            for text in health.collapsed(logits, trained, self.data.class_names, self.given):
                log.warning("epoch %d, network %d %s", self.epoch, which + 1, text)
