"""Several processes on one machine: torchrun starts them, each runs the same command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from vitrina.errors import UsageError, VitrinaError

SENTENCE = "vitrina: "  # how the command line begins what went wrong


def is_worker() -> bool:
    """Whether torchrun started this process."""
    return "WORLD_SIZE" in os.environ


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return os.environ.get("RANK", "0") == "0"


def leave() -> None:
    """End the process group, where there is one: what follows is the main process's alone."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def launch(arguments: Sequence[str], processes: int) -> None:
    """Run `vitrina ARGUMENTS` in `processes` processes: nccl with one GPU each, gloo without GPUs.

    Raises:
        UsageError: when there are fewer GPUs than processes.
        VitrinaError: when a process fails; carries its sentence.
    """
    import torch

    gpus = torch.cuda.device_count()
    if 0 < gpus < processes:
        raise UsageError(f"training.num_processes is {processes}, but this machine has {gpus} GPUs.")
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *torchrun, "-m", "vitrina", *arguments]
    sentence = ""
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        for line in child.stderr or ():
            sys.stderr.write(line)
            if line.startswith(SENTENCE):
                sentence = line.removeprefix(SENTENCE).strip()
    if child.returncode:
        raise VitrinaError(sentence or f"Training in {processes} processes failed: exit code {child.returncode}.")


def _environment() -> dict[str, str]:
    """This process's, without KFP's mark: kfp would take the workers for pipeline tasks."""
    return {name: value for name, value in os.environ.items() if name != "_KFP_RUNTIME"}
