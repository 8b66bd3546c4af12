"""One run over several processes (torchrun): what is shared out, gathered and averaged. Alone, nothing happens.

Every process holds the whole data set and both networks and takes an equal share of each batch, so that a step over
several processes is the step of one: BatchNorm sees all shares, the contrast all projections, MixUp all images.
"""

import os

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from .checks import require


def size() -> int:
    """Number of processes of the run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0; process 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def start() -> str | None:
    """Join the run if torchrun started this process; returns the device to use, None if alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # else whatever names no device takes the first
    dist.init_process_group("nccl" if cuda else "gloo")
    return f"cuda:{os.environ['LOCAL_RANK']}" if cuda else "cpu"


def require_even(batch_size: int) -> None:
    """Refuse a batch that cannot be shared out evenly."""
    remedy = "Take another number of processes or another batch_size."
    require(batch_size % size() == 0, "batch_size", f"a multiple of the {size()} processes", batch_size, remedy)


def share(whole: Tensor, dim: int = 0) -> Tensor:
    """This process's part of a tensor whose `dim` is a multiple of the number of processes."""
    return whole.chunk(size(), dim)[rank()]


def own_rows(total: int, blocks: int, device: torch.device) -> Tensor | slice:
    """This process's rows of `total` rows that are `blocks` shared-out tensors, one after the other."""
    if size() == 1:
        return slice(None)
    return share(torch.arange(total, device=device).view(blocks, -1), 1).flatten()


def gather(part: Tensor, dim: int = 0) -> Tensor:
    """Join the parts of all processes along `dim`, in their order, without gradient; shapes must agree."""
    if size() == 1:
        return part
    parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(size())]
    dist.all_gather(parts, part.contiguous())
    return torch.cat(parts, dim)


def gather_uneven(part: Tensor, total: int) -> Tensor:
    """Join the rows that `rows_of` gave to each process."""
    if size() == 1:
        return part
    longest = -(-total // size())
    padded = torch.cat([part, part.new_zeros(longest - len(part), *part.shape[1:])])
    lengths = [len(rows_of(total, r)) for r in range(size())]
    return torch.cat([rows[:n] for rows, n in zip(gather(padded).split(longest), lengths)])


def rows_of(total: int, which: int | None = None) -> range:
    """Consecutive rows of `total` that are this process's, or those of process `which`."""
    longest = -(-total // size())
    start = longest * (rank() if which is None else which)
    return range(min(start, total), min(start + longest, total))


class _Gather(torch.autograd.Function):
    """Parts joined along dimension 0; torch's own all_gather gives wrong gradients over gloo if they are transposed."""

    @staticmethod
    def forward(ctx, part: Tensor) -> Tensor:
        return gather(part)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return share(total)


class _Mean(torch.autograd.Function):
    """Mean over the processes; the gradient is the mean of theirs."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total / size()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return _Mean.apply(grad)


def gather_with_gradient(part: Tensor) -> Tensor:
    """Join the parts of all processes along dimension 0.

    If every process computes the same loss from the result and the gradients are averaged afterwards
    (`average_gradients`), each weight's gradient is that of one process with the whole batch.
    """
    return part if size() == 1 else _Gather.apply(part)


def mean_with_gradient(value: Tensor) -> Tensor:
    """Mean over the processes; its gradient goes back to all of them."""
    return value if size() == 1 else _Mean.apply(value)


def mean(value: Tensor) -> Tensor:
    """Mean over the processes, without gradient."""
    return mean_with_gradient(value.detach())


def average_gradients(net: nn.Module) -> None:
    """Replace every gradient by its mean over the processes, all in one message."""
    if size() == 1:
        return
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    for grad, part in zip(grads, flat.div_(size()).split([grad.numel() for grad in grads])):
        grad.copy_(part.view_as(grad))


def from_first(values: np.ndarray, device: torch.device) -> np.ndarray:
    """The array of process 0 in every process, so that a fit is the same in all, whatever rounding says."""
    if size() == 1:
        return values
    sent = torch.from_numpy(values).to(device)
    dist.broadcast(sent, 0)
    return sent.cpu().numpy()


def wait() -> None:
    """Wait for all processes."""
    if size() > 1:
        dist.barrier()


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm whose batch is that of all processes; also on CPUs, where torch's own SyncBatchNorm does not run.

    Statistics are float32 at least, whatever the images are, as in torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = mean_with_gradient(wide.mean(dim=(0, 2, 3)))
        centred = wide - mean[:, None, None]
        variance = mean_with_gradient(centred.square().mean(dim=(0, 2, 3)))
        count = x.numel() // len(mean) * size()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / max(count - 1, 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class SharedBatchNormAct(SharedBatchNorm):
    """The same for timm's BatchNormAct2d, which drops out and activates in the norm (Inception-ResNet-v2)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


SHARED = {"BatchNorm2d": SharedBatchNorm, "BatchNormAct2d": SharedBatchNormAct}  # by name: timm need not be there


def share_batch_norm(net: nn.Module) -> nn.Module:
    """Turn every BatchNorm of `net` into a shared one if there are several processes; weights and names stay."""
    for module in net.modules() if size() > 1 else []:
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, SharedBatchNorm):
            kind = type(module).__name__
            remedy = "Train this backbone in one process."
            require(kind in SHARED, "norm", f"{' or '.join(SHARED)} to be shared by processes", kind, remedy)
            module.__class__ = SHARED[kind]
    return net
