"""Restore the champion before this one."""

from __future__ import annotations

from vitrina.jobs.result import JobResult


class RollbackResult(JobResult):
    """`version` is champion again; `previous` was until now."""

    name: str
    version: str
    previous: str


def rollback(name: str) -> RollbackResult:
    """Give the alias `champion` of `name` back to the version that the present champion replaced."""
    from vitrina.jobs.switch import switch
    from vitrina.registry import promotion

    version, previous = promotion.rollback(name)
    switch(name)
    return RollbackResult(name=name, version=version, previous=previous)
