"""A plain trainer of PLReMix, as its authors' release runs it: what `plremix bench` compares ours with.

Views are made image by image with PIL in a DataLoader, evaluation runs in batches of 64 and writes its results sample
by sample, losses are fetched from the device after every step, weights lie contiguous, loaders are built anew for every
pass. All else, such as networks, mixture, targets and losses, is Trainer's, so that only the engine differs. Left out
on purpose: what the release wastes on disk (hashes of archives, histories in checkpoints).
"""

from itertools import chain, repeat

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision import transforms as T

from plremix_core import losses, steps
from plremix_core.config import Config
from plremix_core.data.dataset import Dataset
from plremix_core.trainer import Trainer

BATCH = 64  # images, of evaluation
FOUR = ("weak", "weak", "strong", "strong")


class Views(torch.utils.data.Dataset):
    """Views of single images, made on demand: (views, label, index)."""

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
    crop = [T.RandomCrop(data.images.shape[2], padding=config.pad), T.RandomHorizontalFlip(0.5 * config.flip)]
    policy = [T.AutoAugment(T.AutoAugmentPolicy.CIFAR10, fill=config.fill)]
    finish = [T.ToTensor(), T.Normalize(data.mean, data.std)]
    return {"weak": T.Compose(crop + finish), "strong": T.Compose(crop + policy + finish), "eval": T.Compose(finish)}


class PlainTrainer(Trainer):
    """A Trainer whose views come from loaders with `workers` processes; 0 makes them in this one."""

    def __init__(self, config: Config, data: Dataset, workers: int = 0) -> None:
        super().__init__(config, data)
        for net in self.nets:
            net.to(memory_format=torch.contiguous_format)  # of the weights
        self.workers, self.recipes = workers, recipes(config, data)
        self.rng = np.random.default_rng(config.seed)
        torch.manual_seed(config.seed)  # AutoAugment and the loaders draw from the global generator

    def loader(self, images: Tensor, labels: Tensor, kinds: tuple[str, ...], part=None, batch: int = BATCH):
        """A new loader; of a part of the training set shuffled and without a short last batch."""
        views, shuffle = Views(images, labels, [self.recipes[kind] for kind in kinds]), part is not None
        options = dict(num_workers=self.workers, pin_memory=self.device.type == "cuda", drop_last=shuffle)
        return DataLoader(Subset(views, part.tolist()) if shuffle else views, batch, shuffle, **options)

    @torch.no_grad()
    def per_sample(self, net) -> dict[str, Tensor]:
        """Outputs and losses of every training image, written one by one."""
        net.eval()
        found: dict[str, Tensor] = {}
        for (images,), given, index in self.loader(self.data.images, self.data.given, ("eval",)):
            given = given.to(self.device)
            logits, projection = net(images.to(self.device))
            batch = dict(logits=logits, projection=projection, proto_logits=net.proto_logits(projection))
            for name, scores in (("loss_cls", logits), ("loss_proto", batch["proto_logits"])):
                batch[name] = F.cross_entropy(scores, given, reduction="none")
            for name, values in batch.items():
                whole = found.setdefault(name, values.new_zeros(len(self.given), *values.shape[1:]))
                for value, place in zip(values, index.tolist()):
                    whole[place] = value
        return found

    def train_semi(self, epoch: int, which: int, split, peer_logits: Tensor) -> dict[str, float]:
        """One epoch of a network on the peer's split; returns the mean terms."""
        config, size = self.config, self.config.batch_size
        net, peer = self.nets[which].train(), self.nets[1 - which].eval()
        pair = [self.loader(self.data.images, self.data.given, FOUR, part, size) for part in split.indices(size)]
        count = config.steps_per_epoch or len(pair[0])
        p_clean = torch.from_numpy(split.p_clean).to(self.device, torch.float32)
        batches, rows = [chain.from_iterable(repeat(loader)) for loader in pair], []  # begun anew when they end
        for number in range(count):
            (x, given_x, index_x), (u, given_u, index_u) = map(next, batches)
            x, u = ([view.to(self.device) for view in views] for views in (x, u))
            given, index = torch.cat([given_x, given_u]).to(self.device), torch.cat([index_x, index_u])
            halves = x[:2], u[:2], given[:size], p_clean[index_x]
            targets = steps.co_refine_and_co_guess(net, peer, *halves, config.sharpening)
            mask = steps.negative_mask(config, peer_logits[index], given, epoch)
            share = float(self.rng.beta(config.mixup_alpha, config.mixup_alpha))
            mixing = max(share, 1 - share), torch.randperm(4 * size)
            ramp = losses.ramp_up(epoch + number / count, config.warm_up, config.ramp_epochs)
            terms = steps.semi_step(net, x[2:], u[2:], *targets, mask, *mixing, config.lambda_u * ramp, config)
            self.descend(which, terms)
            rows.append([value.item() for value in terms])
        return dict(zip(steps.COLUMNS, np.mean(rows, axis=0).tolist()))

    @torch.no_grad()
    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of images that both networks together classify correctly."""
        right = 0
        for net in self.nets:
            net.eval()
        for (views,), known, _ in self.loader(images, labels, ("eval",)):
            logits = sum(net(views.to(self.device)).logits for net in self.nets)
            right += (logits.argmax(dim=1).cpu() == known).sum().item()
        return right / len(images)
