"""What may not stand together, by rules of their own: told from the form of a project's state alone."""

from __future__ import annotations

import itertools
import json
import unicodedata


def artifacts_in(form):
    return {one["name"]: one for one in json.loads(form)["artifacts"]}


def author_of(version):
    return version["proposed_by"] or version["drafted_by"]


def place_of(path):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def clash(one, other):
    """By a rule of its own: the same place, a place below a file, or no version of numpy for both."""
    mine, theirs = ([place_of(path) for path in each["content"]["paths"]] for each in (one, other))
    for a, b in itertools.product(mine, theirs):
        if a == b or a.startswith(b + "/") or b.startswith(a + "/"):
            return True
    needed = {each["text"] for version in (one, other) for each in version["content"]["dependencies"]}
    return {"numpy<2", "numpy>=2"} <= needed
