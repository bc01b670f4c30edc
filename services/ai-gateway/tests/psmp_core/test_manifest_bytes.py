"""The encodings that manifests come in: those that their own tools read."""

import base64
import codecs

import pytest

POM = "<dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>1</version></dependency>"
POM = f"<project><name>Gr\u00fc\u00dfe</name>{POM}</dependencies></project>"
TEXTS = {
    "requirements.txt": "foo<2\r\n",
    "package.json": '{"dependencies": {"foo": "^1"}}',
    "Cargo.toml": '[dependencies]\r\nfoo = "1"\r\n',
    "pyproject.toml": '[project]\ndependencies = ["foo<2"]',
    "pom.xml": POM,
}
LATIN = '<?xml version="1.0" encoding="ISO-8859-1"?>'


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        *((name, codecs.BOM_UTF8 + text.encode()) for name, text in TEXTS.items()),
        *((name, TEXTS[name].encode("utf-16")) for name in ("requirements.txt", "pom.xml")),
        ("requirements.txt", codecs.BOM_UTF16_BE + TEXTS["requirements.txt"].encode("utf-16-be")),
        ("pom.xml", f"{LATIN}{POM}".encode("latin-1")),
        ("pom.xml", f"{LATIN}{POM}".replace('"ISO-8859-1"', "'Windows-1252'").encode("cp1252")),
    ],
)
async def test_a_manifest_is_read_in_the_encoding_that_its_tool_reads(world, name, raw):
    answer = await _propose(world, name, raw)
    _, version = await world.psmp.readings.version(world.caller("ann"), answer.changed[0].id, 1)
    [declared] = version.content.dependencies
    assert declared.name in {"foo", "g:a"}


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("package.json", TEXTS["package.json"].encode("utf-16")),
        ("requirements.txt", codecs.BOM_UTF16_LE + b"f"),
        ("pom.xml", POM.encode("latin-1")),
        ("pom.xml", f"{LATIN.replace('ISO-8859-1', 'punycode')}{POM}".encode("latin-1")),
    ],
)
async def test_what_is_in_no_such_encoding_is_refused(world, name, raw):
    proposal = {"created": _manifest(name, raw)}
    refused = await world.refused("ann", "artifact.propose", proposals=[proposal])
    assert refused.code == "manifest_invalid"


async def _propose(world, name, raw):
    return await world.do("ann", "artifact.propose", proposals=[{"created": _manifest(name, raw)}])


def _manifest(name, raw):
    return {"artifact_name": name, "content_base64": base64.b64encode(raw).decode(), "declarations": {"paths": [name]}}
