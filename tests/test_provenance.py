"""What is told of the machine that a result comes from."""

import pytest
import torch

from plremix_core.engine import provenance

CPU = torch.device("cpu")


def test_provenance_names_machine_versions_and_commit():
    found = provenance.provenance(CPU)
    assert found["versions"]["torch"] == torch.__version__
    assert found["threads"] == 1 and found["processor"] and found["commit"] and "T" in found["date"]


def test_without_git_a_result_is_still_recorded(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() == "not a git checkout"


def test_the_recorded_command_can_be_typed_again_and_names_no_home(monkeypatch):
    command = ["/home/me/bin/python", "-m", "tests.bench", "--data", "/home/me/cifar", "--images", "here/x"]
    monkeypatch.setattr(provenance.sys, "orig_argv", command)
    assert provenance.provenance(CPU)["command"] == "python -m tests.bench --data cifar --images here/x"


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
@pytest.mark.parametrize(
    ("machine", "limit", "supported", "slow"),
    [
        ("x86_64", "", ("avx512_bf16",), False),
        ("x86_64", "", ("amx_tile",), False),
        ("x86_64", "", (), True),
        ("AMD64", "ALL", (), True),
        ("x86_64", "avx2", ("avx512_bf16",), True),
        ("x86_64", "AVX512_CORE", ("avx512_bf16", "amx_tile"), True),
        ("x86_64", "AVX512_CORE_BF16", ("avx512_bf16",), False),
        ("aarch64", "", (), False),
    ],
)
def test_bf16_is_slow_on_x86_without_instructions_for_it(monkeypatch, variable, machine, limit, supported, slow):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, limit)
    monkeypatch.setattr(provenance.platform, "machine", lambda: machine)
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda name=name: name in supported, raising=False)
    assert provenance.slow_bf16(CPU) is slow
    assert not provenance.slow_bf16(torch.device("cuda"))


def test_a_torch_that_does_not_say_what_its_processor_can_counts_as_slow(monkeypatch):
    monkeypatch.setattr(provenance.platform, "machine", lambda: "x86_64")
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported", raising=False)
    assert provenance.slow_bf16(CPU)
