"""What is registered and what runs here, for `vitrina models` and `vitrina status`."""

from __future__ import annotations

from pydantic import BaseModel

from vitrina.errors import RegistryError
from vitrina.registry import server
from vitrina.registry.promotion import DECISION, REASONS
from vitrina.registry.tracking import connect, registry_errors


class ServiceLine(BaseModel):
    """One local service; `state` is `running`, or `died` where nobody stopped it."""

    name: str
    state: str
    url: str
    pid: int
    log: str


class VersionLine(BaseModel):
    """One registered version; `decision` is empty before the first `vitrina promote`."""

    name: str
    version: str
    aliases: list[str]
    decision: str
    reasons: str
    data_version: str
    run_id: str


def service_line(service: server.Service) -> ServiceLine:
    """How a service is shown."""
    return ServiceLine(
        name=service.name,
        state="running" if service.alive else "died",
        url=service.url,
        pid=service.pid,
        log=str(service.log),
    )


def local_services() -> list[ServiceLine]:
    """Every service that was started here and not stopped, oldest first."""
    return [service_line(service) for service in server.services()]


def registered_versions(name: str | None = None) -> list[VersionLine]:
    """The versions of one registered model, or of all; the newest first within a model.

    Raises:
        RegistryError: when `name` is not registered.
    """
    client = connect()
    with registry_errors("listing the models"):
        models = [model for model in client.search_registered_models() if name in (None, model.name)]
        if name is not None and not models:
            raise RegistryError(f"No model '{name}' is registered.")
        lines = [
            VersionLine(
                name=model.name,
                version=str(version.version),
                aliases=sorted(alias for alias, at in model.aliases.items() if str(at) == str(version.version)),
                decision=version.tags.get(DECISION, ""),
                reasons=version.tags.get(REASONS, ""),
                data_version=version.tags.get("vitrina.data_version", ""),
                run_id=version.run_id or "",
            )
            for model in models
            for version in client.search_model_versions(f"name='{model.name}'")
        ]
    return sorted(lines, key=lambda line: (line.name, -int(line.version)))
