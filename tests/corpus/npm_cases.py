"""The trees that npm is asked about: written by hand, or drawn with a fixed seed."""

import random

from npm_registry import ranges_in


def root(**sections):
    return {"name": "root", "version": "1.0.0", **sections}


def tree(sections, *members):
    """The root of a tree and its workspaces."""
    files = {"package.json": root(workspaces=["packages/*"], **sections)}
    for number, member in enumerate(members):
        files[f"packages/m{number}/package.json"] = {"name": f"m{number}", "version": "1.0.0", **member}
    return files


def asks(text):
    return {"dependencies": {"foo": text}}


def dev(text):
    return {"devDependencies": {"foo": text}}


def optional(text):
    return {"optionalDependencies": {"foo": text}}


def peer(text):
    return {"peerDependencies": {"foo": text}}


def optional_peer(text):
    return {**peer(text), "peerDependenciesMeta": {"foo": {"optional": True}}}


def overrides(value, key="foo"):
    return {"overrides": {key: value}}


def with_plugin(value):
    """A root that has a package and the one whose peer it is."""
    return {"package.json": root(dependencies={"pa": "1", "foo": "^2"}, overrides=value)}


BY_HAND = [
    ({"package.json": root(**asks("^1"))}, {}),
    ({"package.json": root(**asks(">2 <1"))}, {}),
    ({"package.json": root(**asks(">1.0.0 <1.0.1"))}, {}),
    ({"package.json": root(**asks(">=1.0.0-rc.1 <1.0.0"))}, {}),
    ({"package.json": root(**optional(">2 <1"))}, {}),
    ({"package.json": root(**asks("^1"), **dev("^2"))}, {}),
    ({"package.json": root(**asks("^1"), **peer("^2"))}, {}),
    ({"package.json": root(**dev("^1"), **peer("^2"))}, {}),
    ({"package.json": root(**asks("^1"), **optional("^2"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("2.0.0"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("1.0.0"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("^1"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("$foo"))}, {}),
    ({"package.json": root(**dev("^1"), **overrides("2.0.0"))}, {}),
    ({"package.json": root(**peer("^1"), **overrides("2.0.0"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("2.0.0", "foo@^2"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("1.0.0", "foo@^1"))}, {}),
    ({"package.json": root(**asks(">=1"), **overrides("2.0.0", "foo@2"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides({".": "2.0.0"}))}, {}),
    ({"package.json": root(**asks("^1"), **overrides({"foo": "2.0.0"}, "bar"))}, {}),
    (tree({}, asks("^1"), asks("^2")), {}),
    (tree(asks("^1"), asks("^2")), {}),
    (tree({}, peer("^1"), peer("^2")), {}),
    (tree({}, peer("^1"), peer(">=1.1 <3")), {}),
    (tree({}, peer("^1"), peer("*")), {}),
    (tree(asks("^1"), peer("^2")), {}),
    (tree(asks("^1"), peer("^1.1")), {}),
    (tree(dev("^1"), peer("^2")), {}),
    (tree(asks("^1"), optional_peer("^2")), {}),
    (tree({}, optional_peer("^1"), optional_peer("^2")), {}),
    (tree({}, optional_peer("^1"), peer("^2")), {}),
    (tree({}, asks("^1"), peer("^2")), {}),
    (tree({}, asks("^1"), optional_peer("^2")), {}),
    (tree({}, {**asks("^1"), **peer("^2")}), {}),
    (tree({}, {**asks("^1"), **peer("^2")}, peer("^2")), {}),
    (tree({**asks("^1"), **peer("^2")}, peer("^2")), {}),
    (tree(overrides("2.0.0"), peer("^1"), peer("^3")), {}),
    (tree(overrides("2.0.0"), asks("^1")), {}),
    (tree({}, {**asks("^1"), **overrides("2.0.0")}), {}),
    (tree({}, peer("1 || 2"), peer("2 || 3")), {}),
    (tree({}, peer("1 || 2"), peer("1 || 3")), {}),
    (tree({}, peer("1 || 2"), peer("1 || 3"), peer("1")), {}),
    (tree({}, peer("1"), peer("1 || 2"), peer("1 || 3")), {}),
    (tree(asks("1"), peer("1 || 2"), peer("1 || 3")), {}),
    (tree(asks("1 || 2"), peer("1 || 3")), {}),
    (tree({}, peer("1 || 2"), peer("2 || 3"), peer("1 || 3")), {}),
    (tree({}, peer("^1.0.0-rc.1"), peer("1.0.0-rc.2")), {}),
    (tree({}, peer("^1.0.0"), peer("1.0.0-rc.2")), {}),
    (tree({}, peer(">=1.0.0-alpha <2"), peer("1.0.0-beta.2")), {}),
    (
        {"package.json": root(dependencies={"pa": "1", "pb": "1"})},
        {"pa": peer("^1"), "pb": peer("^2")},
    ),
    (
        {"package.json": root(dependencies={"pa": "1", "pb": "1"})},
        {"pa": peer("^1"), "pb": peer(">=1.1")},
    ),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^2"})}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^1.1"})}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1"}, **peer("^2"))}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^2"})}, {"pa": optional_peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^2"})}, {"pa": asks("^1")}),
    ({"package.json": root(**asks("^1"), **overrides("*"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides(""))}, {}),
    ({"package.json": root(**peer("^1"), **overrides("*"))}, {}),
    ({"package.json": root(**asks("^1"), overrides={"foo@^1": "^1", "foo": "2"})}, {}),
    ({"package.json": root(**asks("^1"), overrides={"foo": "^1", "foo@^1": "2"})}, {}),
    ({"package.json": root(**asks("^1"), overrides={"foo@^2": "^1", "foo@^1": "1.0.0"})}, {}),
    ({"package.json": root(**asks("latest"), overrides={"foo@^1": "1.0.0"})}, {}),
    ({"package.json": root(**asks("^1"), overrides={"foo": {"bar": "1"}})}, {}),
    (with_plugin({"pa": {"foo": "$foo"}}), {"pa": peer("^1")}),
    (with_plugin({"pa": {"foo": "^2"}}), {"pa": peer("^1")}),
    (with_plugin({"pa": {"foo": "^1"}}), {"pa": peer("^2")}),
    (with_plugin({"pa": {"foo": "*"}}), {"pa": peer("^1")}),
    (with_plugin({"pb": {"foo": "^2"}}), {"pa": peer("^1")}),
    (with_plugin({"pa@2": {"foo": "^2"}}), {"pa": peer("^1")}),
    (with_plugin({"foo": "$foo"}), {"pa": peer("^1")}),
    (with_plugin({"pa": {"foo": "^2"}, "foo@^1": "^1"}), {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "npm:bar@1"})}, {"pa": peer("^2")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "npm:bar@1"})}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "old": "npm:foo@1", "foo": "^2"})}, {"pa": peer("^2")}),
]

RANGES = [
    *(
        "^1",
        "^1.1",
        "^1.1.1",
        "~1.1",
        "~1",
        "1.x",
        "1.1.x",
        "*",
        "",
        ">=1",
        ">1",
        "<2",
        "<=2",
        ">=1.1 <2.1",
        "1 - 2",
        "1.1 - 2.0.1",
    ),
    *(
        "1.1.1",
        "=2.0.0",
        "^2",
        "^2.0.1",
        "~2.0.1",
        ">=2",
        "2 || 3",
        "1 || 2",
        "1 || 3",
        "^0.1",
        "^0.1.1",
        "^0.0.1",
        "~0.1",
        "<1 || >2",
    ),
    *(
        "^2.0.0-rc.1",
        "2.0.0-rc.1",
        ">=2.0.0-alpha <2.0.0-rc.2",
        "~2.0.0-beta.2",
        ">1.9.9 <2.0.0",
        "^3",
        "3",
        "<=1.1",
        ">2.1",
        "^1.9 || ^2.1",
    ),
]


def drawn(count):
    chance = random.Random(20_041)
    for _ in range(count):
        pick = lambda: chance.choice(RANGES)  # noqa: E731 - bound to what is drawn here
        shape = chance.random()
        if shape < 0.15:
            sections = {}
            for section in chance.sample([asks, dev, peer, optional], chance.choice([1, 2])):
                sections |= section(pick())
            if chance.random() < 0.6:
                key = "foo" if chance.random() < 0.6 else f"foo@{pick() or '*'}"
                named = next(text for text in ranges_in(sections))
                sections |= overrides(chance.choice([pick() or "*", named or "*"]), key)
            yield {"package.json": root(**sections)}, {}
        elif shape < 0.3:
            plugins = {
                f"p{number}": chance.choice([peer, peer, optional_peer, asks])(pick())
                for number in range(chance.choice([1, 2]))
            }
            dependencies = dict.fromkeys(plugins, "1")
            if chance.random() < 0.6:
                dependencies["foo"] = pick()
            yield {"package.json": root(dependencies=dependencies)}, plugins
        else:
            top = chance.choice([{}, {}, asks(pick()), dev(pick()), peer(pick()), overrides(pick() or "*")])
            kinds = [peer, peer, peer, optional_peer, asks]
            members = [chance.choice(kinds)(pick()) for _ in range(chance.choice([1, 2, 2, 3]))]
            yield tree(top, *members), {}
