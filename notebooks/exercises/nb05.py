"""Checks of the exercises of notebook 05; see plremix_core/lessons/exercises.py."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from plremix_core import losses

SEED = 5


def _draws() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def e5_1(answer: Callable) -> bool | str:
    """Sharpening of logits (B, C) at temperature T, without a softmax that overflows."""
    logits = 3 * torch.randn(6, 4, generator=_draws(), dtype=torch.float64)
    found, right = answer(logits, 0.5), losses.sharpen(logits.softmax(dim=1), 0.5)
    if not isinstance(found, torch.Tensor) or found.shape != right.shape:
        return f"Return a tensor of shape {tuple(right.shape)}, one distribution a row."
    if torch.allclose(found, (logits * 0.5).softmax(dim=1)):
        return "At T = 1/2 the distribution must become more peaked. Yours became flatter: is T a factor or a divisor?"
    if torch.allclose(found, logits.softmax(dim=1) ** 2):
        return "The powers are right, but the rows must add up to one."
    if not torch.allclose(found, right):
        return "Write p = softmax(z) into the formula of sharpen and cancel what is common to a row."
    large = answer(torch.tensor([[2e4, 1e4, 0.0]], dtype=torch.float64), 0.25)
    if not torch.allclose(large, torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)):
        return "Right for small logits; for logits of 20,000 yours overflows. Use torch's softmax, not exp."
    cold = answer(torch.tensor([[1.0, 0.0, -1.0]]).repeat(1, 100), 0.02)  # every probability is below 1 %
    if not bool(cold.isfinite().all()):
        return "At T = 0.02 the powers of your probabilities are all 0, so 0/0. Divide the logits before the softmax."
    return True


def e5_2(answer: Callable) -> bool | str:
    """One MixUp training step: the same weights as the reference, from a network that still holds a gradient."""
    draws = _draws()
    images, labels = torch.randn(8, 3, 2, 2, generator=draws), torch.randint(4, (8,), generator=draws)
    partner, start = torch.randperm(8, generator=draws), 0.3 * torch.randn(4, 12, generator=draws)

    def trained(step: Callable, lam: float) -> torch.Tensor:
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4, bias=False))
        with torch.no_grad():
            net[1].weight.copy_(start)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        F.cross_entropy(net(images), labels).backward()  # left over from an earlier batch
        kept, before = images.clone(), labels.clone()
        step(net, optimizer, images, labels, lam, partner)
        changed = not (torch.equal(kept, images) and torch.equal(before, labels))
        return torch.full_like(start, torch.nan) if changed else net[1].weight.detach().clone()

    def variant(zero: bool = True, fold: bool = True, soft: bool = True) -> Callable:
        def step(net, optimizer, x, y, lam, partner):
            lam = max(lam, 1 - lam) if fold else lam
            out = net(lam * x + (1 - lam) * x[partner])
            loss = F.cross_entropy(out, y)
            if soft:
                loss = lam * loss + (1 - lam) * F.cross_entropy(out, y[partner])
            if zero:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    low, high = trained(answer, 0.2), trained(answer, 0.7)
    if low.isnan().any():
        return "Your step changed the images or labels it was given. Make new tensors."

    def same(step: Callable) -> bool:
        return all(torch.allclose(x, trained(step, lam), atol=1e-5) for x, lam in ((low, 0.2), (high, 0.7)))

    if same(variant()):
        return True
    if torch.equal(high, start):
        return "The weights did not move: backward() makes the gradient, optimizer.step() uses it."
    if same(variant(zero=False)):
        return "The gradient of an earlier batch is still added. Clear it before backward()."
    if same(variant(fold=False)):
        return "Right for lam = 0.7, but for 0.2 the partner outweighs the image: take max(lam, 1 - lam) first."
    if same(variant(soft=False)):
        return "You mix the images and keep the labels. The partner's label must count, too, with weight 1 - lam."
    return "Compare your loss with the formula; both labels are scored on the output for the mixed images."


def e5_3(answer: Callable) -> bool | str:
    """Co-guessing from the logits of two networks on three views, against the core's sharpening."""
    logits = (2 * torch.randn(2, 3, 6, 4, generator=_draws(), dtype=torch.float64)).requires_grad_()
    found, probabilities = answer(logits, 0.5), logits.detach().softmax(dim=3)
    mean = probabilities.mean(dim=(0, 1))
    right = losses.sharpen(mean, 0.5)
    if not isinstance(found, torch.Tensor) or found.shape != right.shape:
        return f"Return a tensor of shape {tuple(right.shape)}, one distribution a sample."
    if torch.allclose(found, _mean_of_logits(logits, 0.5)):
        return "You average the logits. The prediction of several networks is the mean of their probabilities."
    if torch.allclose(found, mean):
        return "That is the mean prediction. It must be sharpened, too."
    if torch.allclose(found, losses.sharpen(probabilities.flatten(0, 2), 0.5).view_as(probabilities).mean(dim=(0, 1))):
        return "You sharpen every prediction and average then. Average first: two sure networks may disagree."
    if torch.allclose(found, mean**2):
        return "The powers are right, but the rows must add up to one."
    if not torch.allclose(found, right):
        return "Softmax over the classes, mean over the first two dimensions, then the formula of sharpen."
    return (
        not found.requires_grad or "The values are right, but a gradient would flow through the targets: detach them."
    )


def e5_4(answer: float) -> bool | str:
    """Images with gradient in one step of one network, in multiples of B."""
    if answer == 4:
        return "That is the mixed batch alone; the contrastive loss sees the same views unmixed."
    if answer == 12:
        return "The weak views pass through the network, too, but without gradient."
    return answer == 8 or "Count the views in section 4 that a loss is computed from: mixed ones and unmixed ones."


def e5_5(answer: str) -> bool | str:
    """What makes a picked epoch an honest estimate."""
    if answer.lower() in ("a", "c"):
        return "The epoch would still be picked on the images that it is judged by."
    return answer.lower() == "b" or 'Answer with "a", "b" or "c".'


def _keeps_the_gradient(net, optimizer, images, labels, lam, partner) -> bool:
    lam = max(lam, 1 - lam)
    out = net(lam * images + (1 - lam) * images[partner])
    (lam * F.cross_entropy(out, labels) + (1 - lam) * F.cross_entropy(out, labels[partner])).backward()
    optimizer.step()
    return True


def _mean_of_logits(logits: torch.Tensor, T: float) -> torch.Tensor:
    return losses.sharpen(logits.detach().mean(dim=(0, 1)).softmax(dim=1), T)


WRONG = {
    "E5.1": lambda logits, T: (logits * T).softmax(dim=1),
    "E5.2": _keeps_the_gradient,
    "E5.3": _mean_of_logits,
    "E5.4": 4.0,
    "E5.5": "a",
}
