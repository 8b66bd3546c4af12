"""All settings of a run in one frozen, checked object; `presets` has the paper's."""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from .data.noise import NOISES, RATED
from .engine.checks import require
from .engine.settings import Settings, setting
from .methods import METHODS

GROUPS = ("data", "noise", "method", "network", "schedule", "advanced")
RETIRED = {"extra_epochs": 0, "mask_rows": "sample"}  # fields of old records and the one value that is still possible


def _contrasts() -> Iterable[str]:
    """Forms by name. Own ones can only be there once losses is imported, and torch takes seconds: refuse before it."""
    losses = sys.modules.get("plremix_core.losses")
    return losses.CONTRASTS if losses else ("flat_nce", "info_nce")


def _starts(kappa: tuple) -> bool:
    starts = [start for start, _ in kappa]
    return starts == sorted(set(starts)) and starts[:1] == [0] and min(k for _, k in kappa) >= 1


def _crops(kinds: tuple) -> bool:
    sound = all(number > 0 and side > 0 and 0 < least <= most <= 1 for number, side, least, most in kinds)
    return not kinds or (kinds[0][0] == 2 and len(kinds) <= 2 and sound)


BLOCKS = lambda v: len(v) > 0 and min(v) > 0, "at least one positive count", "(2, 2, 2, 2) is ResNet-18."
DROPS = lambda v: min(v, default=0) >= 0, "epochs >= 0", "Example: [200]."
KAPPA = _starts, "pairs (from epoch, k >= 1) starting at epoch 0", "Example: ((0, 3), (40, 2))."
FORM = lambda v: v in ("", *_contrasts()), "empty or a key of losses.CONTRASTS", "Check the spelling."
CROPS = (
    _crops,
    "() or one or two kinds (number, side, least, most area), two views of the first",
    "WebVision: ((2, 224, 0.14, 1.0), (6, 128, 0.05, 0.14)).",
)
DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?").fullmatch, "auto, cpu, cuda, cuda:1 or mps", "auto finds one."


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of one run; the defaults are the paper's for CIFAR-10 at 50 % symmetric noise."""

    dataset: str = setting("data", "cifar10", "data set, by its name in data/catalogue.py")
    train_size: int = setting("data", 0, "training images used, class-balanced; 0 = all", ge=0)
    holdout: int = setting("data", 0, "training images set aside with their given labels", ge=0)
    image_size: int = setting("data", 0, "shorter side that files are resized to, pixels; 0 = as they are", ge=0)
    noise: str = setting("noise", "sym", "kind of label noise", one_of=NOISES)
    rate: float = setting("noise", 0.5, "share of the labels replaced at random, a fraction", ge=0, lt=1)
    label_file: str = setting("noise", "", "given labels for noise = file: .npy, .npz, .json or .csv")
    method: str = setting("method", "plremix", "what is trained; see methods.py", one_of=METHODS.keys())
    seed: int = setting("schedule", 0, "seed of every random number of the run", ge=0)
    backbone: str = setting(
        "network", "preact", "network below the heads", one_of=("preact", "resnet50", "inception_resnet_v2")
    )
    pretrained: bool = setting("network", False, "start resnet50 from torchvision's ImageNet weights")
    width: int = setting("network", 64, "channels of the first stage of preact", gt=0)
    blocks: tuple[int, ...] = setting("network", (2, 2, 2, 2), "residual blocks of each stage of preact", rule=BLOCKS)
    stem_stride: int = setting("network", 1, "stride of the first convolution of preact; 2 or 4 for CPUs", gt=0)
    pooled: int = setting("network", 1, "side of the pooled last map of preact", gt=0)
    projector: str = setting("network", "mlp", "head of the contrast; none: no head", one_of=("mlp", "none"))
    epochs: int = setting("schedule", 400, "passes that are trained, warm-up included", gt=0)
    warm_up: int = setting("schedule", 10, "epochs of warm-up, before the first split", ge=0)
    batch_size: int = setting("schedule", 64, "labeled samples of a batch, and as many unlabeled ones", ge=2)
    steps_per_epoch: int = setting("schedule", 0, "SGD steps a network; 0 = one pass over the labeled set", ge=0)
    lr: float = setting("schedule", 0.02, "initial learning rate", gt=0)
    lr_decay: str = setting("schedule", "steps", "by lr_drops, or linear to zero", one_of=("steps", "linear"))
    lr_drops: tuple[int, ...] = setting(
        "schedule", (200,), "epochs from which lr is divided by 10, once more each", rule=DROPS
    )
    momentum: float = setting("advanced", 0.9, "momentum of SGD", ge=0, lt=1)
    weight_decay: float = setting("advanced", 5e-4, "weight decay of SGD", ge=0)
    lambda_u: float = setting("method", 25.0, "weight of the unlabeled loss; depends on the noise", ge=0)
    ramp_epochs: int = setting("method", 16, "epochs after warm-up in which lambda_u grows from 0", ge=0)
    mixup_alpha: float = setting("method", 4.0, "MixUp draws its coefficient from Beta(alpha, alpha)", gt=0)
    sharpening: float = setting("method", 0.5, "temperature of sharpened pseudo-labels", gt=0)
    threshold: float = setting("method", 0.5, "probability above which a sample counts as clean", gt=0, lt=1)
    lambda_c: float = setting("method", 1.0, "weight of the contrastive loss", ge=0)
    contrast: str = setting("method", "flat_nce", "form of the contrastive loss", one_of=_contrasts)
    temperature: float = setting("method", 1.0, "temperature of the relaxed contrastive loss", gt=0)
    kappa: tuple[tuple[int, int], ...] = setting(
        "method", ((0, 3), (40, 2), (70, 1)), "(from epoch, predicted classes in a candidate set)", rule=KAPPA
    )
    warm_up_contrast: bool = setting("method", True, "contrastive loss in warm-up as well")
    warm_up_temperature: float = setting("method", 0.1, "temperature of the contrastive loss in warm-up", gt=0)
    naive_temperature: float = setting("method", 0.0, "the same after warm-up for naive; 0 = as in warm-up", ge=0)
    naive_contrast: str = setting("method", "", "form after warm-up for naive; empty: as contrast", rule=FORM)
    proto_momentum: float = setting("advanced", 0.99, "share of the old prototype that an update keeps", ge=0, lt=1)
    prototypes_from: str = setting(
        "advanced", "own", "whose projections move the prototypes; peer: bug 1", one_of=("own", "peer")
    )
    short_parts: str = setting(
        "advanced", "fill", "fill up a part below a batch; skip its epoch: bug 4", one_of=("fill", "skip")
    )
    confidence_penalty: bool = setting("advanced", False, "punish confident predictions in warm-up")
    supervised_view: str = setting("advanced", "weak", "view for the given labels", one_of=("weak", "strong"))
    policy: str = setting("advanced", "cifar10", "AutoAugment policy of strong views", one_of=("cifar10", "imagenet"))
    crop: int = setting("advanced", 0, "side of weak and evaluation views, pixels; 0 = the whole image", ge=0)
    multi_crop: tuple[tuple[int, int, float, float], ...] = setting(
        "advanced", (), "strong views: (number, side, least, most area)", rule=CROPS
    )
    pad: int = setting("advanced", 4, "pixels of zero padding before the random crop", ge=0)
    flip: bool = setting("advanced", True, "horizontal flip with probability 0.5")
    fill: int = setting("advanced", 128, "grey value that geometric operations bring in", ge=0, le=255)
    precision: str = setting("advanced", "float32", "bf16: backbone under autocast", one_of=("float32", "bf16"))
    compile: bool = setting("advanced", False, "compile the backbone with torch.compile")
    device: str = setting("advanced", "auto", "auto, cpu, cuda, cuda:1 or mps", rule=DEVICE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise not in RATED:
            object.__setattr__(self, "rate", 0.0)
        most = f"at most epochs = {self.epochs}"
        require(self.warm_up <= self.epochs, "warm_up", most, self.warm_up, "Train longer.")
        given = bool(self.label_file) == (self.noise == "file")
        require(given, "label_file", "given if and only if noise is file", self.label_file, "Set both or none.")

    @property
    def spec(self) -> object:
        """What the method switches on, a `methods.Method`."""
        return METHODS[self.method]

    def kappa_at(self, epoch: int) -> int:
        """Predicted classes in a candidate set in `epoch`."""
        return [k for start, k in self.kappa if epoch >= start][-1]

    @property
    def joint_contrast(self) -> tuple[float, str]:
        """Temperature and form of the contrastive loss after warm-up: naive's or the relaxed one's."""
        if self.spec.negatives == "all":
            return self.naive_temperature or self.warm_up_temperature, self.naive_contrast or self.contrast
        return self.temperature, self.contrast

    def contrasts_in(self, epoch: int) -> bool:
        """Whether the contrastive loss is on in `epoch`."""
        return self.spec.negatives != "none" and (epoch >= self.warm_up or self.warm_up_contrast)

    def lr_at(self, epoch: int) -> float:
        """Learning rate in `epoch`."""
        if self.lr_decay == "linear":
            return self.lr * max(1 - epoch / self.epochs, 0.0)
        return self.lr * 0.1 ** sum(epoch >= drop for drop in self.lr_drops)


def from_dict(settings: dict) -> Config:
    """Build a Config from plain values (lists become tuples); unknown names are refused, those of old records read."""
    settings = dict(settings)
    if "flat" in settings:  # recorded before there was `contrast`
        settings["contrast"] = "flat_nce" if settings.pop("flat") else "info_nce"
    for name, value in RETIRED.items():
        found = settings.pop(name, value)
        require(found == value, name, f"{value!r}, as the setting is gone", found, "Use the commit of the record.")
    return Config.of(settings)
