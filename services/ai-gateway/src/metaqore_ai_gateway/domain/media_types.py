"""Media types of files by their names: the same on every machine, and `.ts` is no video."""

from __future__ import annotations

from typing import Final

_BY_SUFFIX: Final = {
    suffix: media_type
    for media_type, suffixes in {
        "application/json": "json jsonl json5 jsonc ipynb",
        "application/sql": "sql",
        "application/toml": "toml",
        "application/xml": "xml xsd xsl plist csproj",
        "application/yaml": "yaml yml",
        "image/svg+xml": "svg",
        "text/css": "css",
        "text/csv": "csv",
        "text/html": "html htm",
        "text/javascript": "js mjs cjs jsx",
        "text/markdown": "md mdx",
        "text/typescript": "ts tsx mts cts",
        "text/x-c": "c h cc cpp cxx hh hpp hxx",
        "text/x-go": "go",
        "text/x-java": "java",
        "text/x-python": "py pyi",
        "text/x-rust": "rs",
        "text/x-shellscript": "sh bash zsh fish",
    }.items()
    for suffix in suffixes.split()
}
PLAIN: Final = "text/plain"


def media_type_of(path: str) -> str:
    """The media type of a text at `path`; `text/plain` where its name tells no more."""
    name = path.rpartition("/")[2]
    return _BY_SUFFIX.get(name.rpartition(".")[2].lower(), PLAIN) if "." in name else PLAIN
