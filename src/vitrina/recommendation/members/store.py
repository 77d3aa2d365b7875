"""How a member lies in a folder: numbers in `member.json`, arrays in `member.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from vitrina.artifacts import read_json, write_json
from vitrina.errors import ArtifactError

NUMBERS, ARRAYS = "member.json", "member.safetensors"


def write(folder: Path, name: str, numbers: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a member called `name`."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, folder / ARRAYS)
    write_json(folder / NUMBERS, {"member": name, **numbers})


def read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Numbers and arrays of a member.

    Raises:
        ArtifactError: when a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    numbers = read_json(folder / NUMBERS)
    try:
        return numbers, load_file(folder / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder / ARRAYS} cannot be read: {error}.") from error


def sparse_arrays(matrix: sparse.csr_matrix) -> dict[str, np.ndarray]:
    """A CSR matrix as arrays for `write`."""
    return {
        "indptr": matrix.indptr.astype(np.int64),
        "indices": matrix.indices.astype(np.int32),
        "data": matrix.data.astype(np.float32),
        "shape": np.array(matrix.shape, dtype=np.int64),
    }


def sparse_matrix(arrays: Mapping[str, np.ndarray]) -> sparse.csr_matrix:
    """What `sparse_arrays` took apart."""
    shape = tuple(int(size) for size in arrays["shape"])
    return sparse.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
