"""`pom.xml` as requirements: what whoever uses the module gets with it, by the versions that the file itself tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from xml.etree import ElementTree as ET

from metaqore_governance_core.psmp.conflicts.documents import check_size
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, manifest_invalid
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement, maven_range
from metaqore_governance_core.psmp.conflicts.model import Party

ENVIRONMENT: Final = "metaqore.environment"
"""The property that gives a module an environment of its own."""

_PASSED_ON: Final = frozenset({"", "compile", "runtime"})
"""The scopes that reach who uses a module; what it tests or is provided with meets nobody else's."""
_PROPERTY: Final = re.compile(r"\$\{([^${}]+)\}")
_MOST_STEPS: Final = 16
_LONGEST: Final = 1024
"""Longer than any version or name: properties that name each other are not filled in beyond this."""


def pom_xml(party: Party, text: str) -> Manifest:
    """What a `pom.xml` asks for. Versions that its parent or an imported file tells are not read, nor are profiles.

    Raises `MetaQoreError` `manifest_invalid` or `requirement_invalid`.
    """
    check_size(text, "pom.xml")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise manifest_invalid("pom.xml", "it declares a document type, which Maven needs none of")
    spend(text.count("<") + text.count("=") // 2)
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type there are no entities
    except ET.ParseError as error:
        raise manifest_invalid("pom.xml", str(error)) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if root.tag != "project":
        raise manifest_invalid("pom.xml", "its root is not <project>")
    properties = _properties(root)
    managed: dict[str, tuple[str, str]] = {}
    for one in root.findall("dependencyManagement/dependencies/dependency"):
        if _told(one, "scope", properties) != "import":
            told = _told(one, "version", properties), _told(one, "scope", properties)
            managed.setdefault(_name(one, properties), told)
    entries: list[MavenRequirement] = []
    unread: list[str] = []
    # Of two that name the same, Maven takes the last with a warning; of two that are managed, the first.
    for name, one in {_name(one, properties): one for one in root.findall("dependencies/dependency")}.items():
        managed_version, managed_scope = managed.get(name, ("", ""))
        scope = _told(one, "scope", properties) or managed_scope
        if scope not in _PASSED_ON or _told(one, "optional", properties).lower() == "true":
            continue
        version = _told(one, "version", properties) or managed_version
        if not version or "${" in name + version:
            unread.append(f"dependency {name}")
            continue
        maven_range(version)
        entries.append(MavenRequirement(replace(party, declares=f"{name} {version}"), name, version))
    return Manifest(tuple(dict.fromkeys(entries)), properties.get(ENVIRONMENT, ""), tuple(unread))


def _properties(root: ET.Element) -> dict[str, str]:
    found = {one.tag: (one.text or "").strip()[:_LONGEST] for one in root.findall("properties/*")}
    for place in ("groupId", "artifactId", "version"):
        own = root.findtext(place) or (root.findtext(f"parent/{place}") if place != "artifactId" else None)
        if own:
            found[f"project.{place}"] = found[f"pom.{place}"] = own.strip()
    return found


def _name(dependency: ET.Element, properties: Mapping[str, str]) -> str:
    """`group:artifact`, then type and classifier where they are not the usual ones: only the same meet."""
    type_ = _told(dependency, "type", properties) or "jar"
    classifier = _told(dependency, "classifier", properties)
    rest = [type_, classifier] if classifier else [type_] if type_ != "jar" else []
    return ":".join([_told(dependency, "groupId", properties), _told(dependency, "artifactId", properties), *rest])


def _told(element: ET.Element, tag: str, properties: Mapping[str, str]) -> str:
    spend(2)
    text = (element.findtext(tag) or "").strip()
    for _ in range(_MOST_STEPS):
        spend(1 + len(text) // 5)
        filled = _PROPERTY.sub(lambda match: properties.get(match[1].strip(), match[0]), text)
        if filled == text or len(filled) > _LONGEST:
            break
        text = filled
    return text
