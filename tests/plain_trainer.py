"""A plain trainer of PLReMix, as its authors' release runs it: what `plremix bench` and the tests compare ours with.

Views are made image by image with PIL in a DataLoader, every view has its own network call, memory is contiguous
float32, evaluation runs in batches of 64 and writes its results sample by sample, loaders are built anew for every
pass. Networks, settings, data, mixture and the formulas of the targets are those of plremix_core, so that only the
engine differs. Left out on purpose: what the release wastes on disk (sums of archives, histories in checkpoints).
"""

import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision import transforms as T

from plremix_core import gmm, losses
from plremix_core.config import Config
from plremix_core.data import Dataset
from plremix_core.model import select_confident, update_prototypes
from plremix_core.trainer import Trainer

BATCH = 64  # images, of evaluation


class Views(torch.utils.data.Dataset):
    """Views of single images, made on demand: (views, given label, index)."""

    def __init__(self, images: Tensor, labels: Tensor, recipes: list) -> None:
        arrays = images.cpu().permute(0, 2, 3, 1).numpy()  # (N, c, H, W) -> (N, H, W, c), as PIL has it
        self.images = arrays[..., 0] if arrays.shape[3] == 1 else arrays
        self.labels, self.recipes = labels.cpu(), recipes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple:
        image = Image.fromarray(self.images[index])
        return [recipe(image) for recipe in self.recipes], self.labels[index], index


def recipes(config: Config, data: Dataset) -> dict[str, T.Compose]:
    """Weak, strong and evaluation views of one PIL image."""
    side = data.images.shape[2]
    crop = [T.RandomCrop(side, padding=config.pad), T.RandomHorizontalFlip(0.5 if config.flip else 0.0)]
    policy = [T.AutoAugment(T.AutoAugmentPolicy.CIFAR10, fill=config.fill)]
    finish = [T.ToTensor(), T.Normalize(data.mean, data.std)]
    return {"weak": T.Compose(crop + finish), "strong": T.Compose(crop + policy + finish), "eval": T.Compose(finish)}


def plr(q: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    """FlatNCE over unit rows q (2 B, D), first then second views; images with a common candidate do not repel."""
    count = len(q)
    similarity = q @ q.T / temperature
    repel = (candidates @ candidates.T == 0).repeat(2, 2)  # (B, C) -> (2 B, 2 B)
    anchors = repel.any(dim=1).nonzero()[:, 0]
    if len(anchors) == 0:
        return q.sum() * 0
    partner = torch.arange(count, device=q.device).roll(count // 2)
    negatives = similarity.masked_fill(~repel, -torch.inf)[anchors].logsumexp(dim=1)
    v = negatives - similarity[anchors, partner[anchors]]
    return torch.exp(v - v.detach()).mean()


class PlainTrainer:
    """One epoch of both networks at a time: divide, train each on the peer's division, test.

    `workers` are the DataLoader's processes; 0 makes the views in this one.
    """

    def __init__(self, config: Config, data: Dataset, workers: int = 0) -> None:
        start = Trainer(config, data)
        self.config, self.data, self.device, self.workers = config, data, start.device, workers
        self.nets = [net.to(memory_format=torch.contiguous_format) for net in start.nets]
        self.adaptive = start.adaptive
        options = dict(lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        self.optimizers = [torch.optim.SGD(net.parameters(), **options) for net in self.nets]
        self.recipes = recipes(config, data)
        self.mixing = np.random.default_rng(config.seed)
        torch.manual_seed(config.seed)  # AutoAugment and the loaders draw from the global generator
        for net in self.nets:
            features = self.outputs(net)
            net.prototypes.copy_(update_prototypes(net.prototypes, features["projection"], data.given, 0.0))

    def loader(self, images: Tensor, labels: Tensor, names: list[str], part=None, batch: int = BATCH) -> DataLoader:
        """A new loader; shuffled, without a short last batch, for a part of the training set."""
        views = Views(images, labels, [self.recipes[name] for name in names])
        chosen = views if part is None else Subset(views, part.tolist())
        shuffle = part is not None
        pin = self.device.type == "cuda"
        return DataLoader(chosen, batch, shuffle, num_workers=self.workers, drop_last=shuffle, pin_memory=pin)

    @torch.no_grad()
    def outputs(self, net) -> dict[str, Tensor]:
        """Outputs and losses of every training image, written one by one."""
        net.eval()
        size, classes = len(self.data.images), self.data.num_classes
        widths = dict(logits=(classes,), proto_logits=(classes,), projection=(128,), loss_cls=(), loss_proto=())
        found = {name: torch.zeros((size, *width), device=self.device) for name, width in widths.items()}
        for (images,), given, index in self.loader(self.data.images, self.data.given, ["eval"]):
            given = given.to(self.device)
            logits, projection = net(images.to(self.device))
            proto_logits = net.proto_logits(projection)
            loss_cls, loss_proto = (F.cross_entropy(t, given, reduction="none") for t in (logits, proto_logits))
            for b in range(len(index)):
                found["logits"][index[b]] = logits[b]
                found["proto_logits"][index[b]] = proto_logits[b]
                found["projection"][index[b]] = projection[b]
                found["loss_cls"][index[b]] = loss_cls[b]
                found["loss_proto"][index[b]] = loss_proto[b]
        return found

    @torch.no_grad()
    def targets(self, net, peer, x: list[Tensor], u: list[Tensor], given: Tensor, p_clean: Tensor) -> tuple:
        """Refined labels of the clean part and guessed ones of the noisy part, a network call a view."""
        mean_u = sum(model(view).logits.softmax(dim=1) for model in (net, peer) for view in u) / 4
        mean_x = sum(net(view).logits.softmax(dim=1) for view in x) / 2
        one_hot = torch.zeros_like(mean_x).scatter_(1, given[:, None], 1)
        refined = p_clean[:, None] * one_hot + (1 - p_clean[:, None]) * mean_x
        return losses.sharpen(refined, self.config.sharpening), losses.sharpen(mean_u, self.config.sharpening)

    def step(self, m: int, x: tuple, u: tuple, p_clean: Tensor, peer_logits: Tensor, epoch: float) -> tuple:
        """One SGD step; returns L_x, L_u and the penalty as numbers."""
        config, net, peer = self.config, self.nets[m], self.nets[1 - m]
        (views_x, given_x, index_x), (views_u, given_u, index_u) = x, u
        views_x, views_u = ([view.to(self.device) for view in views] for views in (views_x, views_u))
        given_x, given_u = given_x.to(self.device), given_u.to(self.device)
        targets_x, targets_u = self.targets(net, peer, views_x[:2], views_u[:2], given_x, p_clean[index_x])
        strong = torch.cat([*views_x[2:], *views_u[2:]])
        targets = torch.cat([targets_x, targets_x, targets_u, targets_u])
        share = float(self.mixing.beta(config.mixup_alpha, config.mixup_alpha))
        share, order = max(share, 1 - share), torch.randperm(len(strong))
        targets = share * targets + (1 - share) * targets[order]
        logits = net.classify(share * strong + (1 - share) * strong[order])
        half = len(logits) // 2
        loss_x, loss_u = losses.mixmatch_loss(logits[:half], targets[:half], logits[half:], targets[half:])
        penalty = losses.prior_penalty(logits)
        index, given = torch.cat([index_x, index_u]), torch.cat([given_x, given_u])
        candidates = F.one_hot(given, self.data.num_classes).float()
        top = peer_logits[index].topk(config.kappa_at(int(epoch)), dim=1).indices
        views = torch.cat([views_x[2], views_u[2], views_x[3], views_u[3]])
        contrast = plr(net.project(views), candidates.scatter(1, top, 1.0), config.temperature)
        weight = config.lambda_u * losses.ramp_up(epoch, config.warm_up, config.ramp_epochs)
        self.optimizers[m].zero_grad()
        (loss_x + weight * loss_u + penalty + config.lambda_c * contrast).backward()
        self.optimizers[m].step()
        return loss_x.item(), loss_u.item(), penalty.item()

    def train(self, epoch: int, m: int, division: gmm.Split, peer_logits: Tensor) -> np.ndarray:
        """One epoch of network `m` on the peer's division; returns the losses, shape (steps, 3)."""
        size = self.config.batch_size
        self.nets[m].train()
        self.nets[1 - m].eval()
        four = ["weak", "weak", "strong", "strong"]
        parts = division.indices(size)
        loaders = [self.loader(self.data.images, self.data.given, four, part, size) for part in parts]
        count = self.config.steps_per_epoch or len(loaders[0])
        p_clean = torch.from_numpy(division.p_clean).to(self.device, torch.float32)
        batches, rows = [iter(loader) for loader in loaders], []
        for number in range(count):
            drawn = []
            for which, loader in enumerate(loaders):
                try:
                    drawn.append(next(batches[which]))
                except StopIteration:
                    batches[which] = iter(loader)
                    drawn.append(next(batches[which]))
            rows.append(self.step(m, *drawn, p_clean, peer_logits, epoch + number / count))
        return np.array(rows)

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of test images that both networks together label rightly."""
        right = 0
        for net in self.nets:
            net.eval()
        for (images,), labels, _ in self.loader(self.data.test_images, self.data.test_labels, ["eval"]):
            images = images.to(self.device)
            logits = self.nets[0](images).logits + self.nets[1](images).logits
            right += (logits.argmax(dim=1).cpu() == labels).sum().item()
        return right / len(self.data.test_images)

    def divide(self, epoch: int) -> tuple[list[dict[str, Tensor]], list[gmm.Split]]:
        """Outputs and division of both networks."""
        outputs = [self.outputs(net) for net in self.nets]
        names, seed = ("loss_cls", "loss_proto"), self.config.seed
        columns = [[out[name].cpu().numpy() for name in names] for out in outputs]
        return outputs, [gmm.split_clean(*c, threshold=self.config.threshold, seed=seed) for c in columns]

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Divide, train both networks, test; returns seconds of each part, mean losses and test accuracy."""
        clock = [time.perf_counter()]
        outputs, divisions = self.divide(epoch)
        clock.append(time.perf_counter())
        rows = []
        for m, net in enumerate(self.nets):
            rows.append(self.train(epoch, m, divisions[1 - m], outputs[1 - m]["logits"]))
            progress = epoch / self.config.epochs
            pair = outputs[m]["proto_logits"], outputs[m]["logits"]
            self.adaptive, chosen, predicted = select_confident(self.adaptive, *pair, progress)
            moved = outputs[m]["projection"][chosen], predicted[chosen]
            net.prototypes.copy_(update_prototypes(net.prototypes, *moved, self.config.proto_momentum))
        clock.append(time.perf_counter())
        accuracy = self.accuracy()
        clock.append(time.perf_counter())
        seconds = dict(zip(("divide", "train", "test"), np.diff(clock).tolist()))
        terms = dict(zip(("x", "u", "penalty"), np.concatenate(rows).mean(axis=0).tolist()))
        return terms | seconds | {"seconds": clock[-1] - clock[0], "test_accuracy": accuracy}
