"""Files of models on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from vitrina.errors import UsageError


def hub_folder(name: str, patterns: list[str], otherwise: str) -> Path:
    """The local folder with the files of a hub model that match `patterns`, fetched where they are not here yet.

    Args:
        name: a hub id.
        patterns: as `snapshot_download` takes them, such as `*.json`.
        otherwise: what the reader may do where the hub cannot be reached; ends the sentence of the error.

    Raises:
        UsageError: when this is no hub id, there is no such model, or it cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except HFValidationError as error:
        raise UsageError(f"'{name}' is neither a folder nor an id of the Hugging Face hub.") from error
    except RepositoryNotFoundError as error:
        raise UsageError(f"The Hugging Face hub has no model '{name}', or it is private: set HF_TOKEN.") from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise UsageError(
            f"'{name}' is not on this machine and the Hugging Face hub cannot be reached: fetch it where there is a "
            f"network (`hf download {name}`) and give its folder{otherwise}."
        ) from error
