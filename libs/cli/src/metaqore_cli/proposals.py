"""Files, directories and globs as what is proposed: each file is an artifact, named by its path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any, Final

import typer

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_cli.output import standard_input
from metaqore_cli.psmp_client import PsmpClient

MAX_FILES: Final = 1000
"""How many are judged together."""

INLINE_BYTES: Final = 1024 * 1024
INLINE_TOTAL_BYTES: Final = 8 * 1024 * 1024
"""What goes with the proposal itself; larger bodies go before it, in a stream each."""

CHUNK_BYTES: Final = 256 * 1024

_TYPES: Final = MimeTypes()
for _ending, _type in {".toml": "application/toml", ".md": "text/markdown", ".rs": "text/x-rust"}.items():
    _TYPES.add_type(_type, _ending)


@dataclass(frozen=True, slots=True)
class Offered:
    """A file, the name of its artifact, and where it belongs in the project; no file is standard input."""

    name: str
    path: str
    file: Path | None
    media_type: str


def offered(paths: list[str], root: Path, name: str = "", media_type: str = "", prefix: str = "") -> list[Offered]:
    """What these paths mean. `name` and `media_type` are empty, or for the one file there is.

    Without `name`, a file's artifact is called by its path, behind `prefix`. A directory
    means every file below it but hidden ones and links. Raises `typer.BadParameter`.
    """
    if paths == ["-"]:
        if not name:
            raise typer.BadParameter("Standard input has no name. Give one by --name.")
        return [Offered(name, name, None, media_type or "text/plain")]
    files = dict.fromkeys(file for path in paths for file in _files(path))
    if not files:
        raise typer.BadParameter(f"There is no file in {', '.join(paths)}.")
    if len(files) > MAX_FILES:
        raise typer.BadParameter(f"These are {len(files)} files; at most {MAX_FILES} are judged together.")
    if (name or media_type) and len(files) > 1:
        raise typer.BadParameter(f"--name and --media-type are for one file; these are {len(files)}.")
    found = []
    for file in files:
        path = _path(file, root) or name
        if not path:
            raise typer.BadParameter(f"{file} is not below {root}, so it has no name there. Give --root, or --name.")
        found.append(Offered(name or prefix + path, path, file, media_type or _media_type(file)))
    return found


class Bodies:
    """Gives bodies to the mesh: small ones in the request, as far as it holds them, others in a stream before it."""

    def __init__(self, client: PsmpClient) -> None:
        self._client, self._left = client, INLINE_TOTAL_BYTES

    def content(self, one: Offered) -> dict[str, Any]:
        """The fields of `NewVersion` that say what its bytes are. Raises `typer.BadParameter`."""
        try:
            if one.file is None:
                return self._given(standard_input(), one)
            if one.file.stat().st_size <= min(INLINE_BYTES, self._left):
                return self._given(one.file.read_bytes(), one)
            return self._uploaded(one.file.stat().st_size, _chunks(one.file), _sha256(one.file), one)
        except OSError as error:
            raise typer.BadParameter(f"{one.file} cannot be read: {error.strerror}.") from error

    def kept(self, one: Offered) -> str:
        """The digest of a body that goes before what names it. Raises `typer.BadParameter`."""
        self._left = -1
        return str(self.content(one)["content_digest"])

    def _given(self, text: bytes, one: Offered) -> dict[str, Any]:
        if len(text) > min(INLINE_BYTES, self._left):
            parts = (text[start : start + CHUNK_BYTES] for start in range(0, len(text), CHUNK_BYTES))
            return self._uploaded(len(text), parts, hashlib.sha256(text).digest(), one)
        self._left -= len(text)
        return {"content_bytes": text, "media_type": one.media_type}

    def _uploaded(self, size_bytes: int, chunks: Iterator[bytes], sha256: bytes, one: Offered) -> dict[str, Any]:
        def parts() -> Iterator[pb.UploadContentRequest]:
            yield pb.UploadContentRequest(
                head=pb.ContentHead(media_type=one.media_type, size_bytes=size_bytes, sha256=sha256)
            )
            for chunk in chunks:
                yield pb.UploadContentRequest(chunk=chunk)

        kept: pb.UploadContentResponse = self._client.bodies.UploadContent(parts())
        return {"content_digest": kept.body.digest, "media_type": one.media_type}


def _files(path: str) -> Iterator[Path]:
    given = Path(path)
    if given.is_file():
        yield given
    elif given.is_dir():
        yield from _below(given)
    elif any(sign in path for sign in "*?["):
        # The part before the first sign is a directory that exists; the rest is the pattern.
        fixed = list(_until_pattern(given))
        base = Path(*fixed) if fixed else Path()
        yield from (file for file in sorted(base.glob(str(given.relative_to(base)))) if file.is_file())
    else:
        raise typer.BadParameter(f"There is no {path}.")


def _until_pattern(path: Path) -> Iterator[str]:
    for part in path.parts:
        if any(sign in part for sign in "*?["):
            return
        yield part


def _below(directory: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(directory):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "__pycache__")
        for name in sorted(files):
            file = Path(parent, name)
            if not name.startswith(".") and not file.is_symlink():
                yield file


def _path(file: Path, root: Path) -> str | None:
    """Relative to the root; None where it is not below it."""
    path = Path(os.path.relpath(file.absolute(), root.absolute())).as_posix()
    return None if path.startswith("../") else path


def _media_type(file: Path) -> str:
    known, _ = _TYPES.guess_type(file.name)
    if known is not None:
        return known
    try:
        with file.open("rb") as opened:
            opened.read(8192).decode()
    except UnicodeDecodeError as error:
        # A character that the end of the sample cuts in two is no sign of binary.
        return "text/plain" if error.reason == "unexpected end of data" else "application/octet-stream"
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from error
    return "text/plain"


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk


def _sha256(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
