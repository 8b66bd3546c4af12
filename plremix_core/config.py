"""All settings of a run in one frozen, checked object, and the paper's settings by name."""

import dataclasses
import difflib
import hashlib
import json
import typing
from dataclasses import dataclass

from .checks import require


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
    "naive": Method(semi=True, repel="all", dims=1),
    "plr-1d": Method(semi=True, repel="plr", dims=1),
    "plremix": Method(semi=True, repel="plr", dims=2),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of one run; the defaults are the paper's for CIFAR-10 at 50 % symmetric noise.

    Raises
    ------
    ValueError
        If a value has the wrong type or lies outside its rule; the message names the field and a remedy.
    """

    dataset: str = "cifar10"  # name known to data.load
    noise: str = "sym"  # sym | asym | none; see noise.corrupt
    rate: float = 0.5  # nominal share of the labels drawn anew, fraction in [0, 1)
    method: str = "plremix"  # key of METHODS
    seed: int = 0  # every random number of the run follows from it
    train_size: int = 0  # training images used, class-balanced; 0 = all
    holdout: int = 0  # training images set aside with their given labels, samples
    width: int = 64  # channels of the first stage
    blocks: tuple[int, ...] = (2, 2, 2, 2)  # residual blocks a stage; PreAct-ResNet-18
    stem_stride: int = 1  # stride of the first convolution; 2 for CPUs
    epochs: int = 400  # E; the release's loop runs one more
    warm_up: int = 10  # W, epochs before the first division
    batch_size: int = 64  # B of the clean and of the noisy part; warm-up uses 2 B
    steps_per_epoch: int = 0  # SGD steps a network; 0 = one pass over the clean part, as in the release
    lr: float = 0.02
    lr_drops: tuple[int, ...] = (200,)  # epochs from which lr is divided by 10 (once more each)
    momentum: float = 0.9
    weight_decay: float = 5e-4
    mixup_alpha: float = 4.0  # lambda ~ Beta(alpha, alpha)
    lambda_u: float = 25.0  # weight of L_u after its ramp; depends on the noise
    ramp_epochs: int = 16  # length of that ramp
    lambda_c: float = 1.0  # weight of the contrastive loss
    sharpening: float = 0.5  # T of sharpen
    threshold: float = 0.5  # posterior above which a sample is clean
    flat: bool = True  # FlatNCE; False = InfoNCE (Clothing1M, WebVision)
    warm_up_temperature: float = 0.1  # tau of the contrast in warm-up
    temperature: float = 1.0  # tau of the PLR loss
    kappa: tuple[tuple[int, int], ...] = ((0, 3), (40, 2), (70, 1))  # (from epoch, predicted candidates)
    proto_momentum: float = 0.99
    prototypes_from: str = "own"  # own | peer (the release's fault 1)
    confidence_penalty: bool = False  # in warm-up; the paper: asymmetric noise only
    supervised_view: str = "weak"  # view that warm-up and plain cross-entropy train on: weak | strong
    pad: int = 4  # pixels of zero padding before the random crop
    flip: bool = True  # horizontal flip with probability 0.5
    fill: int = 128  # grey value that geometric operations of the strong view bring in
    device: str = "auto"  # auto | cpu | cuda | cuda:1 | mps

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            else:
                _check_type(field.name, field.type, value)
        for names, holds, rule, remedy in RULES:
            for name in names.split():
                value = getattr(self, name)
                require(holds(value), name, rule, value, remedy)
        require(
            self.warm_up <= self.epochs, "warm_up", f"at most epochs = {self.epochs}", self.warm_up, "Train longer."
        )
        starts = [start for start, _ in self.kappa]
        holds = starts == sorted(set(starts)) and starts[:1] == [0] and min(k for _, k in self.kappa) >= 1
        require(
            holds, "kappa", "pairs (from epoch, k >= 1) starting at epoch 0", self.kappa, "Example: ((0, 3), (40, 2))."
        )

    @property
    def parts(self) -> Method:
        """What the method switches on."""
        return METHODS[self.method]

    def kappa_at(self, epoch: int) -> int:
        """Number of predicted candidates in `epoch`."""
        return [k for start, k in self.kappa if epoch >= start][-1]

    def lr_at(self, epoch: int) -> float:
        """Learning rate in `epoch`."""
        return self.lr * 0.1 ** sum(epoch >= drop for drop in self.lr_drops)

    def replace(self, **changes: object) -> "Config":
        """Return a checked copy with `changes`; unknown names are refused with the nearest right one."""
        return from_dict({**dataclasses.asdict(self), **changes})

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings; the device does not count."""
        settings = {k: v for k, v in dataclasses.asdict(self).items() if k != "device"}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


_POSITIVE = "width batch_size epochs lr mixup_alpha sharpening warm_up_temperature temperature stem_stride"
_FRACTION = "rate momentum proto_momentum"
_COUNT = "seed train_size holdout warm_up steps_per_epoch ramp_epochs pad lambda_u lambda_c weight_decay"
RULES = [
    (_POSITIVE, lambda v: v > 0, "> 0", "See preset() for working values."),
    (_COUNT, lambda v: v >= 0, ">= 0", "See preset() for working values."),
    (_FRACTION, lambda v: 0 <= v < 1, "in [0, 1)", "It is a fraction, not a percentage."),
    ("threshold", lambda v: 0 < v < 1, "in (0, 1)", "The paper uses 0.5."),
    ("method", METHODS.__contains__, f"one of {', '.join(METHODS)}", "Check the spelling."),
    ("noise", ("sym", "asym", "none").__contains__, "one of sym, asym, none", "Check the spelling."),
    ("prototypes_from", ("own", "peer").__contains__, "own or peer", "Ours is own, the release's is peer."),
    ("supervised_view", ("weak", "strong").__contains__, "weak or strong", "The release trains on weak views."),
    ("fill", lambda v: 0 <= v <= 255, "in [0, 255]", "128 is mid-grey."),
    ("blocks", lambda v: len(v) > 0 and min(v) > 0, "at least one positive count", "(2, 2, 2, 2) is ResNet-18."),
]


def _check_type(name: str, kind: object, value: object) -> None:
    origin = typing.get_origin(kind)
    if origin is tuple:
        require(isinstance(value, tuple), name, "a tuple", value, "Write it with round brackets.")
        arguments = typing.get_args(kind)
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        require(len(kinds) == len(value), name, f"of {len(kinds)} entries", value, "See the default.")
        for inner, item in zip(kinds, value):
            _check_type(name, inner, item)
    else:
        right = type(value) is kind and not (kind is float and value != value)
        require(right, name, f"of type {kind.__name__}", value, "Check quotes and decimal points.")


def from_dict(settings: dict) -> Config:
    """Build a Config from plain values (lists become tuples), refusing unknown names."""
    names = [field.name for field in dataclasses.fields(Config)]
    for name in settings:
        near = difflib.get_close_matches(name, names, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
        require(name in names, "setting", "a field of Config", name, remedy)
    return Config(**{name: _tuples(value) for name, value in settings.items()})


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


LAMBDA_U = {  # weight of L_u by data set and (noise, rate); release: the command lines of its README
    "cifar10": {("sym", 0.2): 0, ("sym", 0.5): 25, ("sym", 0.8): 25, ("sym", 0.9): 50, ("asym", 0.4): 0},
    "cifar100": {("sym", 0.2): 0, ("sym", 0.5): 150, ("sym", 0.8): 150, ("sym", 0.9): 150, ("asym", 0.4): 0},
}
PROFILES = ("quick", "full")
SMALL = dict(  # a network and a schedule for two CPU cores; why, is told in notebook 05
    width=32, blocks=(1, 1, 1, 1), stem_stride=4, batch_size=32, pad=1, flip=False, fill=0,
    train_size=4000, holdout=500, epochs=16, warm_up=4, steps_per_epoch=40,
    kappa=((0, 3), (6, 2), (8, 1)), lr_drops=(12,), ramp_epochs=4,
)  # fmt: skip


def preset(
    dataset: str,
    noise: str = "sym",
    rate: float = 0.5,
    *,
    method: str = "plremix",
    profile: str = "full",
    **changes: object,
) -> Config:
    """Return the paper's settings, or settings for two CPU cores.

    Parameters
    ----------
    dataset : str
        fashion_mnist, cifar10 or cifar100.
    noise, rate : str, float
        Kind and nominal rate; lambda_u depends on them.
    method : str
        Key of METHODS.
    profile : str
        "full": the paper's schedule and PreAct-ResNet-18. "quick": a small network and a short schedule.
    **changes : object
        Fields of Config that replace the preset's.

    Returns
    -------
    Config

    Raises
    ------
    ValueError
        If a name or value is refused, or the paper has no lambda_u for this noise and none is given.

    Source
    ------
    Release: the command lines of its README and their defaults.

    Differs
    -------
    fashion_mnist is not in the paper; it takes the settings of cifar10.
    """
    require(profile in PROFILES, "profile", f"one of {', '.join(PROFILES)}", profile, "Check the spelling.")
    known = LAMBDA_U["cifar100" if dataset == "cifar100" else "cifar10"]
    if "lambda_u" not in changes and noise != "none":
        settings = ", ".join(f"{n} {r}" for n, r in known)
        require((noise, rate) in known, "noise and rate", f"one of {settings}", (noise, rate), "Or pass lambda_u.")
        changes["lambda_u"] = known[noise, rate]
    settings = dict(dataset=dataset, noise=noise, rate=rate, method=method, confidence_penalty=noise == "asym")
    settings |= {"warm_up": 30} if dataset == "cifar100" else {}
    settings |= {"fill": 0} if dataset == "fashion_mnist" else {}
    settings |= SMALL if profile == "quick" else {}
    return from_dict(settings | changes)
