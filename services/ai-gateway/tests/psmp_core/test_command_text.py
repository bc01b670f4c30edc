"""What of a command is scanned: all that somebody wrote, however deep it stands."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.service.psmp.command_text import texts_of
from metaqore_governance_core.contracts.psmp_artifact_commands import NewVersion, Proposal, ProposeArtifacts

WORDS = st.text(alphabet="abcdefgh", min_size=4, max_size=12)


def proposed(**fields):
    version = NewVersion.model_validate({"artifact_name": "a", "content_text": "x", **fields})
    return texts_of(ProposeArtifacts(name="artifact.propose", proposals=[Proposal(created=version)])).split(b"\0")


@given(st.lists(WORDS, min_size=9, max_size=9, unique=True))
def test_every_text_and_every_label_s_name_is_there(words):
    name, body, kind, path, package, requirement, agent, label, value = words
    found = proposed(
        artifact_name=name,
        content_text=body,
        media_type=f"text/{kind}",
        declarations={
            "paths": [path],
            "dependencies": [{"ecosystem": "python", "name": package, "text": requirement}],
        },
        provenance={"agent": agent},
        labels={label: value},
    )
    assert {name, body, f"text/{kind}", path, package, requirement, agent, label, value} <= {
        text.decode() for text in found
    }


@given(st.binary(min_size=20, max_size=40).filter(lambda raw: b"\0" not in raw))
def test_bytes_are_scanned_as_they_are_and_not_as_their_base64(raw):
    found = proposed(content_text=None, content_base64=base64.b64encode(raw).decode())
    assert raw in found
    assert base64.b64encode(raw) not in found


def test_what_is_no_base64_is_scanned_as_the_text_that_it_is():
    assert b"AKIAQ3EGRZYXN5PMK7VWx" in proposed(content_text=None, content_base64="AKIAQ3EGRZYXN5PMK7VWx")


def test_what_nobody_said_is_not_scanned():
    assert b"" not in proposed()
    assert b"provenance" not in proposed()
