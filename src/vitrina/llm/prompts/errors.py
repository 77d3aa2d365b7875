"""What can be wrong with a prompt, and with what a model answers to it."""

from __future__ import annotations

from vitrina.errors import UsageError, VitrinaError


class PromptError(UsageError):
    """A prompt that cannot be rendered, read or found."""


class AnswerError(VitrinaError):
    """A model's answer that is not what was asked for, after every repair and attempt."""

    exit_code = 8
