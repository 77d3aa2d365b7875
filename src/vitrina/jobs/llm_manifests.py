"""A profile of a language model's deployment → manifests for KServe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitrina.jobs.result import JobResult

MODES = ("raw", "serverless")


class LlmManifestsResult(JobResult):
    """`files`: what was written; `objects`: `Kind/name` of everything in them, once."""

    files: list[str]
    objects: list[str]


def llm_manifests(
    output: Path,
    *,
    profile: str | None = None,
    modes: Sequence[str] = MODES,
    overrides: Mapping[str, Any] | None = None,
) -> LlmManifestsResult:
    """Write `<profile>-<mode>.yaml`; nothing is written unless everything can be rendered.

    Args:
        profile: a profile's name, or a YAML file; None: all that come with Vitrina.
        modes: `raw` (Deployment, KEDA) and `serverless` (Knative).
        overrides: keys of the profile to replace.

    Raises:
        UsageError: an unknown profile, mode or key, or a model that does not fit on the GPU.
    """
    from typing import cast

    from vitrina.artifacts import write_text
    from vitrina.errors import UsageError
    from vitrina.llm.deployment import Mode, profiles, read_deployment
    from vitrina.llm.manifests import render, to_yaml

    for mode in modes:
        if mode not in MODES:
            raise UsageError(f"'{mode}' is not a deployment mode; choose {' or '.join(MODES)}.")
    rendered: dict[Path, str] = {}
    objects: dict[str, None] = {}  # each name once, in the order of the files
    for name in [profile] if profile else profiles():
        deployment = read_deployment(name, overrides)
        for mode in modes:
            manifests = render(deployment, cast(Mode, mode))
            short = Path(name).stem
            comment = f"Rendered by `vitrina llm manifests` from the profile {short}: change that and render again."
            rendered[output / f"{short}-{mode}.yaml"] = to_yaml(manifests, comment)
            objects |= {f"{one['kind']}/{one['metadata']['name']}": None for one in manifests}
    for path, text in rendered.items():
        write_text(path, text)
    return LlmManifestsResult(files=[str(path) for path in rendered], objects=list(objects))
