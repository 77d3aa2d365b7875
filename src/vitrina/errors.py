"""Errors a user can act on: the command line prints their one sentence and exits non-zero; services answer 4xx."""

from __future__ import annotations


class VitrinaError(Exception):
    """Base of every error that is the caller's to fix; its text is one clear sentence."""

    exit_code = 1


class UsageError(VitrinaError):
    """A wrong argument, an unknown name, a missing file."""

    exit_code = 2


class DataError(VitrinaError):
    """Data that breaks its contract: names file, column, rule and rows."""

    exit_code = 3


class ArtifactError(VitrinaError):
    """A model folder that is missing, incomplete or does not match its manifest."""

    exit_code = 4


class RegistryError(VitrinaError):
    """The registry cannot be reached or refuses what was asked."""

    exit_code = 5


class GateRejected(VitrinaError):
    """A candidate that did not pass the gates; the text says which and by how much."""

    exit_code = 6


class ServiceError(VitrinaError):
    """A local service that does not start, stop or answer."""

    exit_code = 7
