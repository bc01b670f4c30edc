"""Whatever people do to one project in whatever order: what PSMP promises holds after each command."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from standing_rules import artifacts_in, author_of, clash

from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.points import AtTime, AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Wanted
from metaqore_governance_core.receipts import parse_token

pytestmark = pytest.mark.slow

WHO = st.sampled_from(["ann", "bob", "eve"])
NAMES = st.sampled_from(["a", "b", "B", "c"])
PATHS = st.lists(st.sampled_from(["x", "X", "x/y", "z", "caf\u00e9", "cafe\u0301"]), max_size=2, unique=True)
NEEDS = st.sampled_from([(), (), ("numpy<2",), ("numpy>=2",), ("numpy>=1",)])
NUMBERS = st.integers(0, 3)
PAGE = 1000
"""Events: more than most projects of these tests have."""
STANDING = {"proposed", "active"}


class Team(RuleBasedStateMachine):
    """Gives commands through the gate, and looks at the state that its events replay to."""

    run_async: asyncio.Runner
    world: object
    projects = itertools.count()
    read_through = 0
    answered: set[str]

    def __init__(self):
        super().__init__()
        made = self._await(
            self.world.do("ann", "project.create", project="", project_name=f"garden {next(self.projects)}")
        )
        self.project, self.seen, self.points = made.project, {}, []
        self.authors: dict[tuple[str, int], set[str]] = {}
        self.vetoes: dict[tuple[str, int], set[str]] = {}
        self.active_at: dict[str, dict[str, str]] = {}
        self.repeats: list[tuple] = []
        self.texts = itertools.count()
        self.answered = set()
        self.artifacts: dict[str, dict] = {}
        self.tasks: dict[str, str] = {}
        self._records()
        self._look()

    # What people do.

    @rule(who=WHO, name=NAMES, paths=PATHS, needs=NEEDS, parent=NUMBERS)
    def propose(self, who, name, paths, needs, parent):
        self._give(who, "artifact.propose", proposals=[{"created": self._new(who, name, paths, needs, parent)}])

    @rule(who=st.permutations(["ann", "bob", "eve"]), name=NAMES, paths=PATHS, needs=NEEDS)
    def stand(self, who, name, paths, needs):
        answer = self._give(
            who[0], "artifact.propose", proposals=[{"created": self._new(who[0], name, paths, needs, 0)}]
        )
        if answer is not None:
            number = len(answer.changed[0].artifact.versions)
            self._give(who[1], "artifact.activate", artifact=self._id(name), version=number)

    @rule(who=WHO, paths=st.lists(PATHS, min_size=2, max_size=3), refuse_blocked=st.booleans())
    def propose_together(self, who, paths, refuse_blocked):
        offered = [{"created": self._new(who, name, own, (), 0)} for name, own in zip("abc", paths, strict=False)]
        self._give(who, "artifact.propose", proposals=offered, refuse_blocked=refuse_blocked)

    @rule(who=WHO, name=NAMES, paths=PATHS, needs=NEEDS)
    def draft(self, who, name, paths, needs):
        self._give(who, "artifact.draft", version=self._new(who, name, paths, needs, 0))

    @rule(who=WHO, at=NUMBERS)
    def offer(self, who, at):
        if (found := self._one("draft", at=at)) is not None:
            name, number = found
            draft = {"artifact": self._id(name), "version": number}
            if self._give(who, "artifact.propose", proposals=[{"draft": draft}]) is not None:
                self.authors[found].add(who)

    @rule(who=WHO, at=NUMBERS, paths=PATHS)
    def amend(self, who, at, paths):
        found = self._one("draft", at=at)
        if self._to_one("draft", at, who, "artifact.amend", declarations={"paths": paths}) is not None:
            self.authors[found].add(who)

    @rule(who=WHO, at=NUMBERS)
    def activate(self, who, at):
        self._to_one("proposed", at, who, "artifact.activate")

    @rule(who=WHO, at=NUMBERS)
    def activate_blocked(self, who, at):
        self._to_one("blocked", at, who, "artifact.activate")

    @rule(who=WHO, at=NUMBERS, how=st.sampled_from(["activate_own", "activate_over_warning", "propose_and_activate"]))
    def activate_freely(self, who, at, how):
        phase = "draft" if how == "propose_and_activate" else "proposed"
        self._to_one(phase, at, who, f"artifact.{how}", why="w")

    @rule(
        who=WHO,
        at=NUMBERS,
        step=st.sampled_from(
            [("proposed", "reject"), ("blocked", "reject"), ("draft", "withdraw"), ("active", "deprecate")] * 2
            + [("deprecated", "archive"), ("proposed", "lay_veto"), ("proposed", "lift_veto"), ("active", "erase_body")]
        ),
    )
    def step(self, who, at, step):
        self._to_one(step[0], at, who, f"artifact.{step[1]}", why="w")

    @rule(who=WHO, name=NAMES)
    def retire(self, who, name):
        if name in self.artifacts:
            self._give(who, "artifact.retire", artifact=self._id(name), why="w")

    @rule(who=WHO, at=NUMBERS, choice=st.sampled_from(["keep_existing", "take_incoming", "supersede", "merge"]))
    def resolve(self, who, at, choice):
        if (found := self._one("blocked", at=at)) is not None:
            name, number = found
            opened = self.artifacts[name]["versions"][number - 1]["conflicts"][0]["conflict"]
            text = artifact_id(self.world.organization, self.project, name)
            self._give(
                who, "conflict.resolve", artifact=text, version=number, conflict=opened["id"], choice=choice, why="w"
            )

    @rule(
        how=st.sampled_from(
            [
                ("set_mode", {"mode": "flexible"}),
                ("set_mode", {"mode": "strict"}),
                ("set_policy", {"policy": {"veto_roles": ["reviewer"]}}),
                ("set_policy", {"policy": {"may_resolve_own": True}}),
                ("freeze", {}),
            ]
        )
    )
    def govern(self, how):
        self._give("eve", f"project.{how[0]}", **how[1], why="w")

    @precondition(lambda self: not self.open)
    @rule()
    def thaw(self):
        self._give("eve", "project.unfreeze", why="w")

    @rule(who=WHO, at=NUMBERS, step=st.sampled_from(["open", "claim", "claim", "release", "cancel"]))
    def work(self, who, at, step):
        if step == "open":
            self._give(who, "task.open", title="write it")
        elif self.tasks:
            fields = {"lease_us": 600_000_000} if step == "claim" else {}
            self._give(who, f"task.{step}", task=sorted(self.tasks)[at % len(self.tasks)], **fields)

    @rule(who=WHO)
    def take(self, who):
        answer = self._give(who, "checkpoint.take", checkpoint_name=f"point {next(self.texts)}")
        if answer is not None:
            taken = answer.checkpoint
            assert taken.state_digest == hashlib.sha256(self.seen[taken.version]).hexdigest()
            self.points.append(taken.id)
            self.active_at[taken.id] = self._active_texts()

    @precondition(lambda self: self.points)
    @rule(who=WHO, at=NUMBERS)
    def restore(self, who, at):
        point = self.points[at % len(self.points)]
        answer = self._give(who, "checkpoint.restore", checkpoint=point, why="w")
        if answer is not None:
            assert self._active_texts() == self.active_at[point]
            again = self._give(who, "checkpoint.restore", checkpoint=point, why="w")
            assert again is not None
            assert again.differences == ()

    @precondition(lambda self: self.repeats)
    @rule(at=NUMBERS)
    def repeat(self, at):
        who, name, fields, key, told = self.repeats[-1 - at % len(self.repeats)]
        before = self.version
        assert self._tell(who, name, fields, key=key) == told
        self._look()
        assert self.version == before

    @rule(at=st.tuples(st.integers(0, 1000), st.integers(0, 1000)))
    def compare(self, at):
        """What a diff tells is how the two states differ."""
        low, high = sorted(sorted(self.seen)[one % len(self.seen)] for one in at)
        reading = self.world.psmp.readings
        told = self._await(reading.diff(self._caller("ann"), self.project, AtVersion(low), AtVersion(high), Wanted()))
        before, after = (artifacts_in(self.seen[one]) for one in (low, high))
        differ = {name for name, state in after.items() if before.get(name) != state}
        assert {one.name for one in told.found if one.kind == "artifact"} == differ

    # What holds.

    def _give(self, who, name, **fields):
        """Dry, then for good: it is told alike, and a dry run changes nothing."""
        key = f"key-{next(self.texts)}"
        before = self.version
        dry = self._tell(who, name, fields, dry_run=True)
        self._look()
        assert self.version == before, "a dry run changed something"
        told = self._tell(who, name, fields, key=key)
        assert told[0].partition(": ")[0] in {"done", "refused"}, told
        assert told[:2] == dry[:2], (name, fields, dry, told)
        self.repeats.append((who, name, fields, key, told))
        strict, active = self.strict, self._active()
        self._look()
        if told[0] != "done":
            assert self.version == before
            return None
        self._learn(who, name, fields)
        for which in self._active() - active:
            assert not self.vetoes.get(which), f"{which} is active over a veto"
            assert not strict or who not in self.authors[which], f"{which} is active by its author"
        return self.world.answers[-1]

    def _learn(self, who, name, fields):
        """Who wrote each new version, from what was asked alone, and which vetoes stand."""
        for their, one in self._versions():
            which = (their, one["number"])
            if which not in self.authors:
                parents = [self._place(each) for each in one["content"]["provenance"]["parents"]]
                carried = {"merge": parents, "supersede": parents[1:]}.get(fields.get("choice"), ())
                carried = parents if name == "checkpoint.restore" else carried
                own = set() if name == "checkpoint.restore" else {who}
                self.authors[which] = own.union(*(self.authors[each] for each in carried))
        if name in {"artifact.lay_veto", "artifact.lift_veto"}:
            which = (self._place(f"{fields['artifact']}@1")[0], fields["version"])
            change = set.add if name == "artifact.lay_veto" else set.remove
            change(self.vetoes.setdefault(which, set()), who)

    def _place(self, source):
        id_, _, number = source.rpartition("@")
        return next(name for name in self.artifacts if self._id(name) == id_), int(number)

    def _active(self):
        return {(name, one["number"]) for name, one in self._versions("active")}

    def _tell(self, who, name, fields, **how):
        """How it went: what was told, of which conflicts, under which receipt."""
        try:
            answer = self._await(self.world.do(who, name, project=self.project, **fields, **how))
        except CommandRefusedError as refused:
            told = (f"{refused.state}: {refused.code}", frozenset(one.id for one in refused.conflicts), refused.receipt)
            token = refused.receipt_token
        else:
            told = ("done", frozenset(one.conflict.id for one in answer.conflicts), answer.receipt)
            token = answer.receipt_token
        assert parse_token(token).id == told[2]
        again = how.get("key") in self.answered
        assert self._records() == ([] if again else [told[2]])
        self.answered |= {how["key"]} if "key" in how else set()
        return told

    def _look(self):
        """The state now, and whether it is one that may be."""
        readings = self.world.psmp.readings
        self.version, form = self._await(readings.state_form(self._caller("ann"), self.project))
        assert self.seen.setdefault(self.version, form) == form
        state = json.loads(form)
        self.tasks = {one["id"]: one["holder"] for one in state["tasks"]}
        self.artifacts = {one["name"]: one for one in state["artifacts"]}
        self.open, self.strict = state["project"]["state"] == "open", state["project"]["mode"] == "strict"
        events = self._await(readings.events(self._caller("ann"), self.project, 0, PAGE))
        if len(events) < PAGE:
            assert [one.happened.version for one in events] == list(range(1, self.version + 1))
        standing = list(self._versions(*STANDING))
        for name, artifact in self.artifacts.items():
            assert sum(one["phase"] == "active" for one in artifact["versions"]) <= 1, name
        for (mine, one), (theirs, other) in itertools.combinations(standing, 2):
            if mine != theirs:
                assert not clash(one, other), (mine, one["number"], theirs, other["number"])
        for _, one in self._versions("proposed", "blocked"):
            assert (one["phase"] == "blocked") == any(
                each["conflict"]["severity"] == "blocking" for each in one["conflicts"]
            )
        if self.open:
            for name, one in self._versions("blocked"):
                others = [(their, each) for their, each in standing if their != name]
                clashes = any(clash(one, each) for _, each in others) or self._has_rival(name, one)
                assert clashes or self._is_for_another(one), (name, one["number"])

    def _has_rival(self, name, one):
        return any(
            each["number"] != one["number"] and each["phase"] in STANDING and author_of(each) != author_of(one)
            for each in self.artifacts[name]["versions"]
        )

    def _is_for_another(self, one):
        holder = self.tasks.get(one["content"]["provenance"]["task"])
        return bool(holder) and holder != author_of(one)

    def teardown(self):
        """The past stays what it was, by version and by time."""
        readings = self.world.psmp.readings
        events = self._await(readings.events(self._caller("ann"), self.project, 0, PAGE))
        recorded = {one.happened.version: one.recorded_us for one in events}
        for version, form in self.seen.items():
            assert self._await(readings.state_form(self._caller("ann"), self.project, AtVersion(version))) == (
                version,
                form,
            )
            if version in recorded:
                at, then = self._await(
                    readings.state_form(self._caller("ann"), self.project, AtTime(recorded[version]))
                )
                assert at >= version
                assert at not in self.seen or self.seen[at] == then

    # How it is said.

    def _new(self, who, name, paths, needs, parent):
        count = next(self.texts)
        text = f"text {count} of {who}\n" if count % 3 else ""
        dependencies = [{"ecosystem": "python", "name": "numpy", "text": one} for one in needs]
        parents = [f"{self._id(name)}@{parent}"] if parent and name in self.artifacts else []
        return {
            "artifact_name": name,
            "content_text": text,
            "declarations": {"paths": paths, "dependencies": dependencies},
            "provenance": {"parents": parents, "task": next(iter(self.tasks), "") if count % 2 else ""},
        }

    def _to_one(self, phase, at, who, name, **fields):
        if (found := self._one(phase, at=at)) is None:
            return None
        return self._give(who, name, artifact=self._id(found[0]), version=found[1], **fields)

    def _one(self, phase, at):
        found = [(name, one["number"]) for name, one in self._versions(phase)]
        return found[at % len(found)] if found else None

    def _versions(self, *phases):
        for name, artifact in self.artifacts.items():
            yield from ((name, one) for one in artifact["versions"] if not phases or one["phase"] in phases)

    def _active_texts(self):
        return {name: one["content"]["body"]["digest"] for name, one in self._versions("active")}

    def _id(self, name):
        return artifact_id(self.world.organization, self.project, name)

    def _caller(self, who):
        return self.world.caller(who)

    def _records(self):
        """The receipts of what was recorded since the last look."""
        return self._await(self._read_records())

    async def _read_records(self):
        spool, found = self.world.core.spool, []
        if spool.durable_through > self.read_through:
            async for group in spool.read(self.read_through + 1):
                found += [one["receipt"] for one in json.loads(group.value)["records"]]
                if group.last_sequence >= spool.durable_through:
                    break
            Team.read_through = spool.durable_through
        return found

    def _await(self, coroutine):
        return self.run_async.run(coroutine)


def test_whatever_people_do_in_whatever_order(place):
    with asyncio.Runner() as runner:
        opened = place.opened()
        Team.world, Team.run_async = runner.run(opened.__aenter__()), runner
        try:
            run_state_machine_as_test(
                Team,
                settings=settings(
                    max_examples=30,
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
