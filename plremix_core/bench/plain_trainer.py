"""A plain trainer of PLReMix, as its authors' release runs it: what `plremix bench` and the tests compare ours with.

Views are made image by image with PIL in a DataLoader, every view has its own network call, memory is contiguous
float32, evaluation runs in batches of 64 and writes its results sample by sample, loaders are built anew for every
pass. Networks, settings, data, mixture and the formulas of the targets are those of plremix_core, so that only the
engine differs. Left out on purpose: what the release wastes on disk (hashes of archives, histories in checkpoints).
"""

from itertools import chain, repeat

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision import transforms as T

from .. import gmm, losses
from ..config import Config
from ..data.dataset import Dataset
from ..model import select_confident, update_prototypes
from ..trainer import Trainer

BATCH = 64  # images, of evaluation
FOUR = ("weak", "weak", "strong", "strong")


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


def relaxed_flat_nce(q: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    """FlatNCE over unit rows q (2 B, D), first then second views; a common candidate makes no negative pair."""
    count = len(q)
    similarity = q @ q.T / temperature
    negative = (candidates @ candidates.T == 0).repeat(2, 2)  # (B, C) -> (2 B, 2 B)
    anchors = negative.any(dim=1).nonzero()[:, 0]
    if len(anchors) == 0:
        return q.sum() * 0
    partner = torch.arange(count, device=q.device).roll(count // 2)
    negatives = similarity.masked_fill(~negative, -torch.inf)[anchors].logsumexp(dim=1)
    v = negatives - similarity[anchors, partner[anchors]]
    return torch.exp(v - v.detach()).mean()


class PlainTrainer:
    """One epoch of both networks at a time: split, train each on the peer's split, test.

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
        self.rng = np.random.default_rng(config.seed)
        torch.manual_seed(config.seed)  # AutoAugment and the loaders draw from the global generator
        for net in self.nets:
            projections = self.outputs(net)["projection"]
            net.prototypes.copy_(update_prototypes(net.prototypes, projections, data.given, 0.0))

    def loader(self, images: Tensor, labels: Tensor, kinds: tuple[str, ...], part=None, batch: int = BATCH):
        """A new loader; of a part of the training set shuffled and without a short last batch."""
        views, shuffle = Views(images, labels, [self.recipes[kind] for kind in kinds]), part is not None
        options = dict(num_workers=self.workers, pin_memory=self.device.type == "cuda", drop_last=shuffle)
        return DataLoader(Subset(views, part.tolist()) if shuffle else views, batch, shuffle, **options)

    @torch.no_grad()
    def outputs(self, net) -> dict[str, Tensor]:
        """Outputs and losses of every training image, written one by one."""
        net.eval()
        (classes, width), size = net.prototypes.shape, len(self.data.images)
        shapes = dict(logits=(classes,), proto_logits=(classes,), projection=(width,), loss_cls=(), loss_proto=())
        found = {name: torch.zeros((size, *shape), device=self.device) for name, shape in shapes.items()}
        for (images,), given, index in self.loader(self.data.images, self.data.given, ("eval",)):
            given = given.to(self.device)
            logits, projection = net(images.to(self.device))
            proto_logits = net.proto_logits(projection)
            loss_cls, loss_proto = (F.cross_entropy(t, given, reduction="none") for t in (logits, proto_logits))
            for name, values in zip(shapes, (logits, proto_logits, projection, loss_cls, loss_proto)):
                for b, i in enumerate(index.tolist()):
                    found[name][i] = values[b]
        return found

    @torch.no_grad()
    def targets(self, net, peer, x: list[Tensor], u: list[Tensor], given: Tensor, p_clean: Tensor) -> tuple:
        """Refined labels of the labeled batch and guessed ones of the unlabeled batch, a network call a view."""
        mean_u = sum(model(view).logits.softmax(dim=1) for model in (net, peer) for view in u) / 4
        mean_x = sum(net(view).logits.softmax(dim=1) for view in x) / 2
        one_hot = F.one_hot(given, mean_x.shape[1])
        refined = p_clean[:, None] * one_hot + (1 - p_clean[:, None]) * mean_x
        return losses.sharpen(refined, self.config.sharpening), losses.sharpen(mean_u, self.config.sharpening)

    def step(self, which: int, x: tuple, u: tuple, p_clean: Tensor, peer_logits: Tensor, epoch: float) -> tuple:
        """One SGD step; returns L_x, L_u and the penalty as numbers."""
        config, net, peer = self.config, self.nets[which], self.nets[1 - which]
        (views_x, given_x, index_x), (views_u, given_u, index_u) = x, u
        views_x, views_u = ([view.to(self.device) for view in views] for views in (views_x, views_u))
        given_x, given_u = given_x.to(self.device), given_u.to(self.device)
        targets_x, targets_u = self.targets(net, peer, views_x[:2], views_u[:2], given_x, p_clean[index_x])
        strong = torch.cat([*views_x[2:], *views_u[2:]])
        targets = torch.cat([targets_x, targets_x, targets_u, targets_u])
        share = float(self.rng.beta(config.mixup_alpha, config.mixup_alpha))
        share, order = max(share, 1 - share), torch.randperm(len(strong))
        targets = share * targets + (1 - share) * targets[order]
        logits = net.classify(share * strong + (1 - share) * strong[order])
        half = len(logits) // 2
        loss_x, loss_u = losses.mixmatch_loss(logits[:half], targets[:half], logits[half:], targets[half:])
        penalty = losses.prior_penalty(logits)
        index, given = torch.cat([index_x, index_u]), torch.cat([given_x, given_u])
        candidates = F.one_hot(given, self.data.num_classes).float()
        top = peer_logits[index].topk(config.kappa_at(int(epoch)), dim=1).indices
        projections = net.project(torch.cat([views_x[2], views_u[2], views_x[3], views_u[3]]))
        contrast = relaxed_flat_nce(projections, candidates.scatter(1, top, 1.0), config.temperature)
        weight = config.lambda_u * losses.ramp_up(epoch, config.warm_up, config.ramp_epochs)
        self.optimizers[which].zero_grad()
        (loss_x + weight * loss_u + penalty + config.lambda_c * contrast).backward()
        self.optimizers[which].step()
        return loss_x.item(), loss_u.item(), penalty.item()

    def train(self, epoch: int, which: int, split: gmm.Split, peer_logits: Tensor) -> list[tuple]:
        """One epoch of a network on the peer's split; returns the losses of every step."""
        size = self.config.batch_size
        self.nets[which].train()
        self.nets[1 - which].eval()
        pair = [self.loader(self.data.images, self.data.given, FOUR, part, size) for part in split.indices(size)]
        count = self.config.steps_per_epoch or len(pair[0])
        p_clean = torch.from_numpy(split.p_clean).to(self.device, torch.float32)
        batches = [chain.from_iterable(repeat(loader)) for loader in pair]  # begun anew when they end
        return [
            self.step(which, *map(next, batches), p_clean, peer_logits, epoch + number / count)
            for number in range(count)
        ]

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of test images that both networks together label rightly."""
        right = 0
        for net in self.nets:
            net.eval()
        for (images,), labels, _ in self.loader(self.data.test_images, self.data.test_labels, ("eval",)):
            logits = sum(net(images.to(self.device)).logits for net in self.nets)
            right += (logits.argmax(dim=1).cpu() == labels).sum().item()
        return right / len(self.data.test_images)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Split, train both networks, test; returns the mean losses and the test accuracy."""
        outputs = [self.outputs(net) for net in self.nets]
        pairs = [[out[name].cpu().numpy() for name in ("loss_cls", "loss_proto")] for out in outputs]
        options = dict(threshold=self.config.threshold, seed=self.config.seed)
        splits, rows = [gmm.split_clean(*pair, **options) for pair in pairs], []
        for which, net in enumerate(self.nets):
            rows += self.train(epoch, which, splits[1 - which], outputs[1 - which]["logits"])
            out, progress = outputs[which], epoch / self.config.epochs
            self.adaptive, chosen, labels = select_confident(
                self.adaptive, out["proto_logits"], out["logits"], progress
            )
            moved = out["projection"][chosen], labels[chosen]
            net.prototypes.copy_(update_prototypes(net.prototypes, *moved, self.config.proto_momentum))
        means = dict(zip(("loss_x", "loss_u", "penalty"), np.mean(rows, axis=0).tolist()))
        return means | {"test_accuracy": self.accuracy()}
