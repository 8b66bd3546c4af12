"""The paper's settings by name, each with its source; the release's bugs on demand; settings for two CPU cores."""

import dataclasses

from .config import Config, from_dict
from .data import catalogue
from .data.noise import HUMAN
from .engine.checks import require

TABLE = {  # what differs from Config's defaults; ALL of it is from the release unless SOURCES says otherwise
    "cifar10": dict(),
    "cifar100": dict(warm_up=30),
    "tiny_imagenet": dict(policy="imagenet", image_size=64, pooled=2),
    "clothing1m": dict(
        backbone="resnet50", pretrained=True, policy="imagenet", image_size=256, crop=224, pad=0, epochs=100, warm_up=1,
        supervised_view="strong",
        lr=0.004, weight_decay=1e-3, lr_drops=(40, 80), mixup_alpha=0.5, contrast="info_nce", confidence_penalty=True,
        kappa=((0, 3), (15, 2), (30, 1)), train_size=64000,
    ),
    "webvision": dict(
        backbone="inception_resnet_v2", policy="imagenet", image_size=320, crop=299, pad=0, epochs=150, warm_up=2,
        batch_size=48, lr=0.015, lr_drops=(60, 120), mixup_alpha=0.5, contrast="info_nce",
        kappa=((0, 3), (15, 2), (30, 1)), multi_crop=((2, 224, 0.14, 1.0), (6, 128, 0.05, 0.14)),
    ),
    "fashion_mnist": dict(fill=0),
    "folder": dict(policy="imagenet", image_size=64, pooled=2, confidence_penalty=True),  # ours, see for_folder
}  # fmt: skip
LAMBDA_U = {  # weight of L_u by data set and (noise, rate); release: the command lines of its README
    "cifar10": {("sym", 0.2): 0, ("sym", 0.5): 25, ("sym", 0.8): 25, ("sym", 0.9): 50, ("asym", 0.4): 0},
    "cifar100": {("sym", 0.2): 0, ("sym", 0.5): 150, ("sym", 0.8): 150, ("sym", 0.9): 150, ("asym", 0.4): 0},
    "tiny_imagenet": {("sym", 0.2): 30, ("sym", 0.5): 200, ("sym", 0.8): 300, ("asym", 0.45): 0, ("none", 0.0): 0},
    "clothing1m": {("none", 0.0): 0},
    "webvision": {("none", 0.0): 0},
    "folder": {("none", 0.0): 0},
}
for known in (LAMBDA_U["cifar10"], LAMBDA_U["cifar100"]):
    known["none", 0.0] = 0  # as the release on clean Tiny-ImageNet
LAMBDA_U["fashion_mnist"] = LAMBDA_U["cifar10"]
SOURCES = {  # where the values come from; a field that is not named is ours and off in the paper's settings
    "warm_up": "release: train.py, train_clothing1m.py, train_webvision.py (CIFAR-100: 15 at first, later 30)",
    "epochs lr weight_decay batch_size mixup_alpha lambda_c sharpening threshold": "release: options of train*.py",
    "lambda_u": "release: the command lines of readme.md",
    "momentum": "release: train.py, optim.SGD",
    "lr_drops": "release: adjust_lr in utils/train_utils.py; lr_milestones in the other train_*.py",
    "ramp_epochs": "release: losses/losses.py, SemiLoss.linear_rampup",
    "kappa": "release: topk and its milestones in train*.py",
    "contrast": "release: default of --crl in train*.py",
    "warm_up_temperature temperature": "release: InfoNCELoss and PLRLoss as called in train.py",
    "proto_momentum projector": "release: models/model.py",
    "confidence_penalty": "release: uniform_warmup in utils/train_utils*.py",
    "backbone pretrained width blocks stem_stride pooled": "release: models/model_loader.py, models/resnet.py",
    "image_size crop pad flip policy multi_crop": "release: data/data_loader.py; --mcrop as in readme.md",
    "fill": "release: data/auto_augment.py",
    "dataset noise rate method warm_up_contrast supervised_view": "paper arXiv:2402.17589v2; release: train*.py",
    "train_size": "release: data/clothing1m.py, 1000 x 64 images a training",
}
BUGS = dict(prototypes_from="peer", short_parts="skip")  # that `released` switches: 1 and 4 of lesson 10's list
PROFILES = ("quick", "full")
SMALL = dict(  # a network and a schedule for two CPU cores; why, is told in notebook 05
    backbone="preact", width=32, blocks=(1, 1, 1, 1), stem_stride=4, pooled=1, batch_size=32, pad=1, flip=False, fill=0,
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
    released: bool = False,
    **changes: object,
) -> Config:
    """Return the paper's settings, or settings for two CPU cores.

    Parameters
    ----------
    dataset : str
        Key of TABLE or of data.catalogue.SOURCES, or the path of your own .npz (see data.load); what is not in the
        paper takes the settings of cifar10.
    noise, rate : str, float
        Kind and nominal rate; lambda_u depends on them. Human noise, label files and "none" have no rate. Human noise
        on CIFAR takes the lambda_u of the symmetric noise nearest to it; label files need one of their own.
    method : str
        Key of methods.METHODS.
    profile : str
        "full": the paper's schedule and backbone. "quick": a small network and a short schedule.
    released : bool
        Switch on the bugs of the release that can be switched: prototypes from the peer's projections (1), epochs
        without a step when a part has fewer samples than a batch (4), no padding on Tiny-ImageNet (8).
    **changes : object
        Fields of Config that replace the preset's. With other `epochs`, warm-up, ramp, kappa and drops of the learning
        rate move in proportion unless they are given; the release moves the drop alone.
    """
    names = [*TABLE, *(name for name in catalogue.SOURCES if name not in TABLE)]
    own = isinstance(dataset, str) and dataset.endswith(".npz")
    require(own or dataset in names, "dataset", f"one of {', '.join(names)}", dataset, "Or the path of your own .npz.")
    require(profile in PROFILES, "profile", f"one of {', '.join(PROFILES)}", profile, "Check the spelling.")
    require(isinstance(noise, str), "noise", "a name", noise, "Example: sym.")
    require(isinstance(rate, (int, float)), "rate", "a number", rate, "It is a fraction, not a percentage.")
    rate = 0.0 if noise in (*HUMAN, "file", "none") else rate
    if "lambda_u" not in changes:
        changes["lambda_u"] = _lambda_u(dataset, noise, rate)
    settings = dict(dataset=dataset, noise=noise, rate=rate, method=method)
    settings |= TABLE.get(dataset, {}) | ({"confidence_penalty": True} if noise.startswith("asym") else {})
    if released:
        settings |= BUGS
        settings |= {"pad": 0} if dataset == "tiny_imagenet" else {}
    settings |= {name: SMALL[name] for name in SMALL if profile == "quick"}
    if "epochs" in changes:
        settings |= _milestones(settings, changes["epochs"])
    return from_dict(settings | changes)


def for_folder(num_classes: int, profile: str = "quick", **changes: object) -> Config:
    """Settings for a folder, or an .npz, of your own images of `num_classes` classes, whose noise nobody knows.

    Every image is used, as what is held out is not ranked. Images become squares of 64 pixels; pass flip=False where
    mirror images mean something else (digits, signs). **lambda_u is 0**, as in the paper for real-world noise; pass 25
    if about half of the labels are random. Candidate sets hold at most C / 2 predicted classes, or every two would
    overlap. Other arguments as for `preset`; the full profile is as the paper on Tiny-ImageNet, for a GPU.
    """
    require(isinstance(num_classes, int) and num_classes > 0, "num_classes", "> 0", num_classes, "Count the folders.")
    own = dict(dataset="folder", noise="none", rate=0.5, label_file="")
    named = {name: changes.pop(name, value) for name, value in own.items()}
    small = dict(flip=True, pad=4, fill=128, train_size=0, holdout=0) if profile == "quick" else {}
    small |= dict(image_size=0, pooled=1, policy="cifar10") if named["dataset"].endswith(".npz") else {}
    config = preset("folder", profile=profile, **({"lambda_u": 0, "noise": "none"} | small | changes)).replace(**named)
    if "kappa" in changes:
        return config
    return config.replace(kappa=tuple((start, min(k, max(1, num_classes // 2))) for start, k in config.kappa))


def _lambda_u(dataset: str, noise: str, rate: float) -> float:
    known = LAMBDA_U.get(dataset, {})
    kind = {"asym-consecutive": "asym"}.get(noise, noise)
    nearest = {"aggre": 0.2, "random1": 0.2, "random2": 0.2, "random3": 0.2, "worse": 0.5, "fine": 0.5}
    if kind in nearest and dataset in ("cifar10", "cifar100"):
        kind, rate = "sym", nearest[kind]
    settings = ", ".join(f"{n} {r}" for n, r in known) or f"given lambda_u on {dataset}"
    require((kind, rate) in known, "noise and rate", f"one of {settings}", (noise, rate), "Or pass lambda_u.")
    return known[kind, rate]


def _milestones(settings: dict, epochs: object) -> dict[str, object]:
    """Warm-up, ramp, kappa and drops of the learning rate, moved in proportion to another number of epochs."""
    known = {field.name: field.default for field in dataclasses.fields(Config)} | settings
    if type(epochs) is not int or epochs <= 0:
        return {}  # Config refuses it

    def moved(epoch: int) -> int:
        return -(-epoch * epochs // known["epochs"])

    kappa = {moved(start): k for start, k in known["kappa"]}
    drops = dict.fromkeys(drop * epochs // known["epochs"] for drop in known["lr_drops"])
    found = {name: moved(known[name]) for name in ("warm_up", "ramp_epochs")}
    return found | dict(lr_drops=tuple(drops), kappa=tuple(kappa.items()))
