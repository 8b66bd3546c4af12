"""All settings of a run in one frozen, checked object; `presets` has the paper's."""

import dataclasses
import difflib
import hashlib
import json
import math
import re
import typing
from dataclasses import dataclass

from .engine.checks import require
from .losses import CONTRASTS


@dataclass(frozen=True)
class Method:
    """What a method switches on in the one trainer.

    `semi`: semi-supervised training on a division. `repel`: pairs pushed apart by the contrastive loss,
    "none", "all" other images, or those of the "plr" mask. `dims`: losses the mixture sees.
    """

    semi: bool
    repel: str
    dims: int


METHODS = {
    "ce": Method(semi=False, repel="none", dims=1),
    "dividemix": Method(semi=True, repel="none", dims=1),
    "dividemix-2d": Method(semi=True, repel="none", dims=2),
    "naive": Method(semi=True, repel="all", dims=1),
    "naive-2d": Method(semi=True, repel="all", dims=2),
    "plr-1d": Method(semi=True, repel="plr", dims=1),
    "plremix": Method(semi=True, repel="plr", dims=2),
}


RATED = ("sym", "asym", "asym-consecutive", "instance")  # noises drawn at a rate; see noise.corrupt
HUMAN = ("aggre", "random1", "random2", "random3", "worse", "fine")  # columns of CIFAR-10N, and CIFAR-100N (fine)
NOISES = (*RATED, *HUMAN, "file", "none")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of one run; the defaults are the paper's for CIFAR-10 at 50 % symmetric noise.

    Raises
    ------
    ValueError
        If a value has the wrong type or lies outside its rule; the message names the field and a remedy.
    """

    dataset: str = "cifar10"  # name known to data.load
    noise: str = "sym"  # one of NOISES
    rate: float = 0.5  # nominal share of the labels drawn anew, fraction in [0, 1); 0 where the noise has no rate
    label_file: str = ""  # given labels for noise = "file": .npy, .npz, .json or .csv
    method: str = "plremix"  # key of METHODS
    seed: int = 0  # every random number of the run follows from it
    train_size: int = 0  # training images used, class-balanced; 0 = all
    holdout: int = 0  # training images set aside with their given labels, samples
    image_size: int = 0  # shorter side that files are resized to, pixels; 0 = as they are (all alike)
    backbone: str = "preact"  # preact | resnet50 | inception_resnet_v2
    pretrained: bool = False  # start resnet50 from torchvision's ImageNet weights
    width: int = 64  # channels of the first stage of preact
    blocks: tuple[int, ...] = (2, 2, 2, 2)  # residual blocks a stage; PreAct-ResNet-18
    stem_stride: int = 1  # stride of the first convolution; 2 for CPUs
    pooled: int = 1  # side of the pooled last map of preact; the release has 2 on Tiny-ImageNet
    epochs: int = 400  # E
    extra_epochs: int = 0  # epochs after E; the release's loop runs one (fault 9)
    warm_up: int = 10  # W, epochs before the first division
    warm_up_contrast: bool = True  # False: cross-entropy alone in warm-up
    batch_size: int = 64  # B of the clean and of the noisy part; warm-up uses 2 B
    steps_per_epoch: int = 0  # SGD steps a network; 0 = one pass over the clean part, as in the release
    lr: float = 0.02
    lr_decay: str = "steps"  # steps: by lr_drops | linear: to zero at E
    lr_drops: tuple[int, ...] = (200,)  # epochs from which lr is divided by 10 (once more each)
    momentum: float = 0.9
    weight_decay: float = 5e-4
    mixup_alpha: float = 4.0  # lambda ~ Beta(alpha, alpha)
    lambda_u: float = 25.0  # weight of L_u after its ramp; depends on the noise
    ramp_epochs: int = 16  # length of that ramp
    lambda_c: float = 1.0  # weight of the contrastive loss
    sharpening: float = 0.5  # T of sharpen
    threshold: float = 0.5  # posterior above which a sample is clean
    contrast: str = "flat_nce"  # form of the contrastive loss: flat_nce | info_nce (Clothing1M, WebVision)
    warm_up_temperature: float = 0.1  # tau of the contrast in warm-up
    projector: str = "mlp"  # head that the contrast sees: mlp | none, the features themselves
    temperature: float = 1.0  # tau of the PLR loss
    naive_temperature: float = 0.0  # tau of ordinary contrast after warm-up (naive, naive-2d); 0 = as in warm-up
    naive_contrast: str = ""  # its form; empty: as `contrast`
    kappa: tuple[tuple[int, int], ...] = ((0, 3), (40, 2), (70, 1))  # (from epoch, predicted candidates)
    proto_momentum: float = 0.99
    prototypes_from: str = "own"  # own | peer (the release's fault 1)
    short_parts: str = "fill"  # a part below B is filled up | the epoch skipped, "skip" (fault 4)
    mask_rows: str = "sample"  # predictions behind the mask: the sample's own | its position's in the part (fault 6)
    confidence_penalty: bool = False  # in warm-up; the paper: asymmetric noise only
    supervised_view: str = "weak"  # view that warm-up and plain cross-entropy train on: weak | strong
    policy: str = "cifar10"  # AutoAugment policy of the strong view: cifar10 | imagenet
    crop: int = 0  # side of weak and evaluation views, pixels; 0 = the whole image
    multi_crop: tuple[tuple[int, int, float, float], ...] = ()  # strong views: (number, side, least, most area)
    pad: int = 4  # pixels of zero padding before the random crop
    flip: bool = True  # horizontal flip with probability 0.5
    fill: int = 128  # grey value that geometric operations of the strong view bring in
    precision: str = "float32"  # float32 | bf16: backbone under autocast; heads, losses, mixture stay float32
    compile: bool = False  # torch.compile the backbone
    device: str = "auto"  # auto | cpu | cuda | cuda:1 | mps

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _typed(field.name, field.type, getattr(self, field.name)))
        if self.noise not in RATED:
            object.__setattr__(self, "rate", 0.0)
        for names, holds, rule, remedy in RULES:
            for name in names.split():
                value = getattr(self, name)
                require(holds(value), name, rule, value, remedy)
        require(
            self.warm_up <= self.epochs, "warm_up", f"at most epochs = {self.epochs}", self.warm_up, "Train longer."
        )
        given = bool(self.label_file) == (self.noise == "file")
        require(given, "label_file", "given if and only if noise is file", self.label_file, "Set both or none.")
        starts = [start for start, _ in self.kappa]
        holds = starts == sorted(set(starts)) and starts[:1] == [0] and min(k for _, k in self.kappa) >= 1
        require(
            holds, "kappa", "pairs (from epoch, k >= 1) starting at epoch 0", self.kappa, "Example: ((0, 3), (40, 2))."
        )

    @property
    def spec(self) -> Method:
        """What the method switches on."""
        return METHODS[self.method]

    def kappa_at(self, epoch: int) -> int:
        """Number of predicted candidates in `epoch`."""
        return [k for start, k in self.kappa if epoch >= start][-1]

    @property
    def contrast_after_warm_up(self) -> tuple[float, str]:
        """Temperature and form of the contrast of this method in the semi-supervised epochs."""
        if self.spec.repel == "all":
            return self.naive_temperature or self.warm_up_temperature, self.naive_contrast or self.contrast
        return self.temperature, self.contrast

    def lr_at(self, epoch: int) -> float:
        """Learning rate in `epoch`."""
        if self.lr_decay == "linear":
            return self.lr * max(1 - epoch / self.epochs, 0.0)
        return self.lr * 0.1 ** sum(epoch >= drop for drop in self.lr_drops)

    def replace(self, **changes: object) -> "Config":
        """Return a checked copy with `changes`; unknown names are refused with the nearest right one."""
        return from_dict({**dataclasses.asdict(self), **changes})

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings off their default; the device does not count."""
        fields = [field for field in dataclasses.fields(self) if field.name != "device"]
        settings = {f.name: getattr(self, f.name) for f in fields if getattr(self, f.name) != f.default}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]

    def require_same(self, other: "Config | None", owner: str) -> None:
        """Refuse other settings than these, those of `owner`; the device does not count."""
        if other is not None and other.fingerprint() != self.fingerprint():
            names = [field.name for field in dataclasses.fields(self) if field.name != "device"]
            new = {name: getattr(other, name) for name in names if getattr(other, name) != getattr(self, name)}
            old = ", ".join(f"{name}={getattr(self, name)!r}" for name in new)
            got = ", ".join(f"{name}={value!r}" for name, value in new.items())
            require(False, "settings", f"those of {owner} ({old})", got, "Take another folder for other settings.")


_POSITIVE = "width batch_size epochs lr mixup_alpha sharpening warm_up_temperature temperature stem_stride pooled"
_FRACTION = "rate momentum proto_momentum"
_COUNT = (
    "seed train_size holdout warm_up steps_per_epoch ramp_epochs pad lambda_u lambda_c weight_decay "
    "image_size extra_epochs crop naive_temperature"
)
_CHOICES = {  # field: what it may be, and a word on it
    "method": (tuple(METHODS), "Check the spelling."),
    "noise": (NOISES, "Check the spelling."),
    "backbone": (("preact", "resnet50", "inception_resnet_v2"), "The paper trains CIFAR on preact."),
    "policy": (("cifar10", "imagenet"), "The release has imagenet from Tiny-ImageNet on."),
    "lr_decay": (("steps", "linear"), "The release drops by steps."),
    "precision": (("float32", "bf16"), "The release trains in float32."),
    "prototypes_from": (("own", "peer"), "Ours is own, the release's is peer."),
    "short_parts": (("fill", "skip"), "Ours is fill, the release's is skip."),
    "mask_rows": (("sample", "position"), "Ours is sample; position is the release's on Clothing1M and WebVision."),
    "contrast": (tuple(CONTRASTS), "The release has flat_nce for CIFAR and info_nce for Clothing1M and WebVision."),
    "naive_contrast": (("", *CONTRASTS), "Empty: as contrast."),
    "projector": (("mlp", "none"), "The paper has an MLP."),
    "supervised_view": (("weak", "strong"), "The release trains on weak views."),
}


def _one_of(choices: tuple[str, ...], remedy: str) -> tuple:
    return choices.__contains__, f"one of {', '.join(choices)}", remedy


RULES = [
    (_POSITIVE, lambda v: v > 0, "> 0", "See preset() for working values."),
    (_COUNT, lambda v: v >= 0, ">= 0", "See preset() for working values."),
    (_FRACTION, lambda v: 0 <= v < 1, "in [0, 1)", "It is a fraction, not a percentage."),
    (
        "device",
        re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?").fullmatch,
        "auto, cpu, cuda, cuda:1 or mps",
        "auto finds one.",
    ),
    ("threshold", lambda v: 0 < v < 1, "in (0, 1)", "The paper uses 0.5."),
    ("fill", lambda v: 0 <= v <= 255, "in [0, 255]", "128 is mid-grey."),
    ("blocks", lambda v: len(v) > 0 and min(v) > 0, "at least one positive count", "(2, 2, 2, 2) is ResNet-18."),
    (
        "multi_crop",
        lambda v: (
            not v or v[0][0] == 2 and len(v) <= 2 and all(n > 0 and s > 0 and 0 < a <= b <= 1 for n, s, a, b in v)
        ),
        "() or one or two kinds (number, side, least, most area), two views of the first",
        "WebVision: ((2, 224, 0.14, 1.0), (6, 128, 0.05, 0.14)).",
    ),
    *((name, *_one_of(*choice)) for name, choice in _CHOICES.items()),
]


def _typed(name: str, kind: object, value: object) -> object:
    """Return `value` if it is of `kind`, whole numbers as floats where a float is asked for; refuse the rest."""
    if typing.get_origin(kind) is tuple:
        require(isinstance(value, tuple), name, "a tuple", value, "Write it with round brackets.")
        arguments = typing.get_args(kind)
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        require(len(kinds) == len(value), name, f"of {len(kinds)} entries", value, "See the default.")
        return tuple(_typed(name, inner, item) for inner, item in zip(kinds, value))
    value = float(value) if kind is float and type(value) is int and abs(value) < 1e300 else value
    right = type(value) is kind and (kind is not float or math.isfinite(value))
    require(right, name, f"of type {kind.__name__}", value, "Check quotes and decimal points.")
    return value


def from_dict(settings: dict) -> Config:
    """Build a Config from plain values (lists become tuples), refusing unknown names."""
    names = [field.name for field in dataclasses.fields(Config)]
    if "flat" in settings:  # as recorded before `contrast`
        settings = dict(settings)
        settings["contrast"] = "flat_nce" if settings.pop("flat") else "info_nce"
    for name in settings:
        near = difflib.get_close_matches(str(name), names, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
        require(name in names, "setting", "a field of Config", name, remedy)
    return Config(**{name: _tuples(value) for name, value in settings.items()})


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
