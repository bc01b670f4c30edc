"""From what a command says of a version to its content: the body is kept, and manifests are read."""

from __future__ import annotations

import asyncio
import base64
import codecs
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_ai_gateway.service.psmp.uploads import BodyStore, StoredBody
from metaqore_governance_core.contracts.psmp_artifact_commands import DeclarationsSpec, NewVersion, ProvenanceSpec
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Body, Content, Dependency, Provenance
from metaqore_governance_core.psmp.conflicts.bounds import check_content
from metaqore_governance_core.psmp.conflicts.cargo_manifests import cargo_toml
from metaqore_governance_core.psmp.conflicts.documents import MAX_MANIFEST_BYTES
from metaqore_governance_core.psmp.conflicts.effort import bounded_effort
from metaqore_governance_core.psmp.conflicts.go_manifests import go_mod, go_work
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, manifest_invalid
from metaqore_governance_core.psmp.conflicts.maven_manifests import pom_xml
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json, package_lock_peers
from metaqore_governance_core.psmp.conflicts.python_locks import PYTHON_LOCKS, python_lock
from metaqore_governance_core.psmp.conflicts.python_manifests import pyproject_toml, requirements_txt
from metaqore_governance_core.psmp.declared import dependencies_of
from metaqore_governance_core.psmp.refusal import PsmpRefusedError, conflict
from metaqore_governance_core.sensitivity import Sensitivity

_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-((0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
_MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}(\s*;[\x20-\x7e]{0,256})?", re.IGNORECASE
)
_SOURCE: Final = re.compile(r"[^@\s]{1,256}@[1-9][0-9]{0,8}")
_XML_ENCODING: Final = re.compile(rb"<\?xml[^>]{1,200}?encoding\s*=\s*[\"']([\w.-]+)")
_OF_ONE_BYTE: Final = frozenset({b"us-ascii", b"iso-8859-1", b"iso-8859-15", b"windows-1252"})
_REQUIREMENTS: Final = re.compile(r"requirements([-_.][\w.-]+)?\.txt|constraints([-_.][\w.-]+)?\.txt")

_Reader = Callable[[Party, str, str], Manifest]
_READERS: Final[Mapping[str, _Reader]] = {
    "pyproject.toml": lambda party, text, _: pyproject_toml(party, text),
    "package.json": package_json,
    "package-lock.json": lambda party, text, _: package_lock_peers(party, text),
    "Cargo.toml": lambda party, text, _: cargo_toml(party, text),
    "pom.xml": lambda party, text, _: pom_xml(party, text),
    "go.mod": go_mod,
    "go.work": go_work,
    **dict.fromkeys(PYTHON_LOCKS, lambda party, text, path: python_lock(party, text, path.rpartition("/")[2])),
}
_NOBODY: Final = Party("", 0, "", "")


class Made(NamedTuple):
    """The content of a new version, and its text where that is yet to be written."""

    content: Content
    body: NewBody | None = None


@dataclass(frozen=True, slots=True)
class MakeContent:
    """Brings the body of a new version and says what the version declares. Raises what of it cannot be read.

    With `keeps` unset it keeps nothing, and says the same.
    """

    bodies: BodyStore
    keeps: bool = True

    async def __call__(self, organization: str, agent: str, wanted: NewVersion, found: Sensitivity) -> Made:
        """What the version holds. `found` is what the command's texts ask for: it is at least that sensitive.

        A body that is only named asks for what it was kept with.
        """
        text = _text_of(wanted)
        if text is None:
            stored = await self.bodies.find(organization, wanted.content_digest or "")
            if stored is None:
                raise conflict("content_missing", "No body with this digest is kept here. Upload it first.")
            found = max(found, stored.sensitivity)
        elif self.keeps:
            stored = await self.bodies.bring(organization, text, found)
        else:
            stored = self.bodies.measured(organization, text)
        content = declared(wanted.declarations, body_of(stored, wanted, text), agent, wanted.provenance, found)
        return Made(await self._with_manifests(organization, wanted.artifact_name, content, text), stored.new)

    async def again(self, organization: str, name: str, content: Content, text: bytes | None = None) -> Content:
        """The same content, with what its manifests declare: its declarations were changed, or it has a new text."""
        return await self._with_manifests(organization, name, content, text)

    async def by_hand(self, organization: str, name: str, content: Content) -> Content:
        """The same content without what its manifest declares: another text may declare something else."""
        path = _manifest_path(name, content)
        if path is None:
            return content
        manifest = await self._manifest(organization, path, content, None)
        read = set(dependencies_of(manifest))
        return replace(
            content,
            dependencies=tuple(one for one in content.dependencies if one not in read),
            environment="" if manifest.environment else content.environment,
        )

    async def _with_manifests(self, organization: str, name: str, content: Content, text: bytes | None) -> Content:
        path = _manifest_path(name, content)
        if path is None:
            return content
        whole = _with(content, await self._manifest(organization, path, content, text))
        check_content(whole, f"With what {path} declares, declarations")
        return whole

    async def _manifest(self, organization: str, path: str, content: Content, text: bytes | None) -> Manifest:
        if text is None:
            text = b"".join([piece async for piece in self.bodies.read(organization, content.body.digest)])
        return await asyncio.to_thread(_read, path, text)


def _manifest_path(name: str, content: Content) -> str | None:
    """Where its body is read as a manifest. Raises `manifest_invalid` where those are several, or it is too large."""
    manifests = [path for path in content.paths or (name,) if _reader(path)]
    if not manifests:
        return None
    if len(manifests) > 1:
        raise manifest_invalid("manifest", "one body stands at the paths of several manifests")
    if content.body.size_bytes > MAX_MANIFEST_BYTES:
        raise manifest_invalid(manifests[0], f"it has more than {MAX_MANIFEST_BYTES} bytes")
    return manifests[0]


def declared(spec: DeclarationsSpec, body: Body, agent: str, provenance: ProvenanceSpec, found: Sensitivity) -> Content:
    """The content of these declarations, without what a manifest adds."""
    if spec.semantic_version and not _SEMVER.fullmatch(spec.semantic_version):
        raise _invalid("semantic_version_invalid", "semantic_version is as semver.org has it, such as 1.4.0-rc.1.")
    for one in (*provenance.inputs, *provenance.parents):
        if not _SOURCE.fullmatch(one):
            raise _invalid("source_invalid", "inputs and parents are <artifact id>@<version>.")
    labelled = Sensitivity[spec.sensitivity] if spec.sensitivity else Sensitivity.INTERNAL
    content = Content(
        body=body,
        paths=tuple(spec.paths),
        renames=tuple((one.from_path, one.to_path) for one in spec.renames),
        dependencies=_unique(Dependency(**one.model_dump()) for one in spec.dependencies),
        environment=spec.environment,
        semantic_version=spec.semantic_version,
        sensitivity=max(labelled, found).name,
        provenance=Provenance(
            agent=provenance.agent or agent,
            model=provenance.model,
            task=provenance.task,
            prompt=provenance.prompt_digest,
            documents=tuple(provenance.document_digests),
            inputs=tuple(provenance.inputs),
            parents=tuple(provenance.parents),
        ),
    )
    check_content(content)
    return content


def body_of(stored: StoredBody, wanted: NewVersion, text: bytes | None) -> Body:
    """What the version says of its body; its type is guessed from its name where nobody says it."""
    media_type = wanted.media_type or stored.media_type or _guessed(wanted, text)
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise _invalid("media_type_invalid", "media_type is as RFC 6838 has it, such as text/x-python.")
    return Body(stored.digest, stored.key_id, media_type, stored.size_bytes)


def _guessed(wanted: NewVersion, text: bytes | None) -> str:
    path = next(iter(wanted.declarations.paths), wanted.artifact_name)
    guessed = mimetypes.guess_type(path)[0]
    if guessed:
        return guessed
    return "text/plain" if text is not None and wanted.content_text is not None else "application/octet-stream"


def _text_of(wanted: NewVersion) -> bytes | None:
    if wanted.content_text is not None:
        return wanted.content_text.encode("utf-8")
    if wanted.content_base64 is not None:
        try:
            return base64.b64decode(wanted.content_base64, validate=True)
        except ValueError as error:
            message = "content_base64 is not base64 with its padding (RFC 4648, section 4)."
            raise _invalid("content_invalid", message) from error
    return None


def _reader(path: str) -> _Reader | None:
    name = path.rpartition("/")[2]
    if _REQUIREMENTS.fullmatch(name):
        return lambda party, text, _: requirements_txt(party, text)
    return _READERS.get(name)


def _read(path: str, raw: bytes) -> Manifest:
    reader = _reader(path)
    assert reader is not None  # noqa: S101 - it was chosen for having one
    try:
        with bounded_effort():
            return reader(_NOBODY, raw.decode(_encoding(path, raw)), path)
    except UnicodeDecodeError as error:
        raise manifest_invalid(path, f"it is no {error.encoding.upper()}") from error


def _encoding(path: str, raw: bytes) -> str:
    """How its tool reads it: in UTF-8, with a mark or (Go) without; pip and Maven take others that the text names."""
    name = path.rpartition("/")[2]
    if name in {"go.mod", "go.work"}:
        return "utf-8"
    if name == "pom.xml" or _REQUIREMENTS.fullmatch(name):
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        declared_in = _XML_ENCODING.match(raw)
        if declared_in is not None and declared_in[1].lower() in _OF_ONE_BYTE:
            return declared_in[1].decode("ascii")
    return "utf-8-sig"


def _with(content: Content, manifest: Manifest) -> Content:
    if manifest.environment and content.environment and manifest.environment != content.environment:
        raise PsmpRefusedError(
            "environment_differs",
            f"The manifest names the environment {manifest.environment}, the declarations {content.environment}. "
            "Name it once.",
            kind=ErrorKind.UNPROCESSABLE,
        )
    return replace(
        content,
        dependencies=_unique((*content.dependencies, *dependencies_of(manifest))),
        environment=content.environment or manifest.environment,
    )


def _unique(dependencies: Iterable[Dependency]) -> tuple[Dependency, ...]:
    return tuple(dict.fromkeys(dependencies))


def _invalid(code: str, message: str) -> MetaQoreError:
    return MetaQoreError(code, message)
