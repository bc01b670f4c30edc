"""Finds the model file that ships inside an installed package: nothing is downloaded."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


def packaged_gguf(package: str) -> Path:
    """The path of the one GGUF file in the installed distribution `package`. Raises `model_file_missing`."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise MetaQoreError(
        "model_file_missing",
        f"The package {package} with the model's GGUF file is not installed. Run `make setup`, or set "
        "METAQORE_INFERENCE__MODEL_FILE to a GGUF file.",
        kind=ErrorKind.UNAVAILABLE,
    )
