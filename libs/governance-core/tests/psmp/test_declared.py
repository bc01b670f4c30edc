import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Dependency, Phase, Provenance, Version
from metaqore_governance_core.psmp.conflicts.cargo_manifests import cargo_toml
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.conflicts.model import ConflictType, Party
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json, package_lock_peers
from metaqore_governance_core.psmp.conflicts.python_manifests import pyproject_toml
from metaqore_governance_core.psmp.declared import declaration_of, dependencies_of, hold_of
from metaqore_governance_core.psmp.work import Work, WorkState

PARTY = Party("mine", 1, "ann", "")
BODY = Body("d", "k", "text/plain", 1)


def declared(**content):
    version = Version(1, Content(BODY, **content), Phase.DRAFT, 5, "ann")
    return declaration_of(Artifact("org", "garden", "mine", versions=(version,)), version, 50)


@pytest.mark.parametrize(
    ("read", "text", "more"),
    [
        pytest.param(
            pyproject_toml,
            '[project]\nrequires-python = ">=3.11"\ndependencies = ["n<2; os_name == \'nt\'"]\n'
            '[project.optional-dependencies]\nfast = ["m"]',
            (),
            id="pyproject.toml",
        ),
        pytest.param(
            package_json,
            '{"dependencies": {"a": "^1"}, "overrides": {"b@1": "2"}}',
            ("web/package.json",),
            id="package.json",
        ),
        pytest.param(
            cargo_toml, '[package]\nname = "m"\nlinks = "ssl"\n[dependencies]\nfoo = "1.2"', (), id="Cargo.toml"
        ),
        pytest.param(
            package_lock_peers, '{"packages": {"node_modules/p": {"peerDependencies": {"a": "1"}}}}', (), id="a lock"
        ),
    ],
)
def test_a_manifest_comes_back_from_what_is_stored(read, text, more):
    manifest = read(PARTY, text, *more)
    assert declared(dependencies=dependencies_of(manifest)).entries == manifest.entries


def test_paths_and_renames_are_declared_as_a_person_would_say_it():
    entries = declared(paths=("a.py",), renames=(("b.py", "c.py"),)).entries
    assert [entry.party.declares for entry in entries] == ["writes a.py", *["renames b.py to c.py"] * 2]


def test_who_proposes_for_a_task_must_hold_it():
    made = declared(provenance=Provenance(task="task-1", agent="ann"))
    held = hold_of(Work(WorkState.CLAIMED, "task-1", holder="bob", lease_until_us=100, claims=1))
    ((key, _),) = made.stored()
    (found,) = conflicts_of(made, {key: [held]})
    assert found.type is ConflictType.TASK_OWNERSHIP
    assert "ann proposed for the task task-1 while bob held it" in found.explanation
    later = hold_of(Work(WorkState.CLAIMED, "task-1", holder="bob", lease_until_us=100, claims=1, since_us=60))
    assert conflicts_of(made, {key: [later]}) == ()
    own = hold_of(Work(WorkState.CLAIMED, "task-1", holder="ann", lease_until_us=100, claims=1))
    assert conflicts_of(made, {key: [own]}) == ()
    assert hold_of(Work(WorkState.OPEN, "task-1")) is None


def test_what_nobody_can_judge_is_refused():
    with pytest.raises(MetaQoreError) as error:
        declared(dependencies=(Dependency("cobol", "a", "1"),))
    assert error.value.code == "ecosystem_unknown"
