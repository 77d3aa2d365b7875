"""How long a README command takes in a fresh clone with a fresh virtual environment, set-up included.

Packages come from the local cache where there is one: a first download is the network's time, not the project's.

python benchmarks/fresh_clone.py demo | test
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time

from _results import ROOT, figure, report

from vitrina.errors import ServiceError

MINUTES = {"demo": 6, "test": 12}


def timed(target: str, folder: str) -> float:
    """Seconds of `make TARGET` in `folder`.

    Raises:
        ServiceError: when it fails.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VITRINA_")}
    started = time.perf_counter()
    done = subprocess.run(["make", target], cwd=folder, env=environment)
    if done.returncode != 0:
        raise ServiceError(f"`make {target}` failed with code {done.returncode}.")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=list(MINUTES))
    target = parser.parse_args().target
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        setup = timed("setup", folder)
        command = timed(target, folder)
    whole = (setup + command) / 60
    parts = {"setup": setup / 60, target: command / 60}
    figures = [figure(f"make_{target}", whole, "minutes", "lower", MINUTES[target], None, **parts)]
    report(f"make_{target}", figures, setup + command)


if __name__ == "__main__":
    main()
