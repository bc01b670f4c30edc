"""Each service's image: its own members and no other, dependencies by hash, no root."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = {
    tomllib.loads(path.read_text())["project"]["name"]: path.parent
    for pattern in ("libs/*", "services/*", "proto")
    for path in ROOT.glob(pattern + "/pyproject.toml")
}
SERVICES = sorted(path for path in MEMBERS.values() if path.parent.name == "services")


def instructions(service):
    text = (service / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def needed(name):
    """The folders of a member and of all that it depends on in the workspace."""
    dependencies = tomllib.loads((MEMBERS[name] / "pyproject.toml").read_text())["project"]["dependencies"]
    ours = [dependency for dependency in dependencies if dependency in MEMBERS]
    return {MEMBERS[name].relative_to(ROOT).as_posix()}.union(*map(needed, ours))


@pytest.fixture(params=SERVICES, ids=lambda path: path.name)
def service(request):
    return request.param


def test_packages_are_installed_by_hash_from_a_lock_that_is_here(service):
    installs = [what for word, what in instructions(service) if word == "RUN" and " install " in what and "pip" in what]
    locked = [re.search(r"--require-hashes .*-r (\S+)", install) for install in installs]
    assert locked[0]
    assert (ROOT / locked[0][1]).is_file()
    assert all("--no-deps --no-build-isolation" in install for install in installs[1:])


def test_it_holds_the_members_that_the_service_needs_and_no_other(service):
    copies = [what.split() for word, what in instructions(service) if word == "COPY" and "--from=" not in what]
    assert all(len(copy) == 2 for copy in copies)
    folders = {source for source, _ in copies} - {"requirements/runtime.lock"}
    name = next(name for name, path in MEMBERS.items() if path == service)
    assert folders == needed(name)
    installed = next(what for word, what in instructions(service) if word == "RUN" and "--no-build-isolation" in what)
    assert {word.removeprefix("./") for word in installed.split() if word.startswith("./")} == folders


def test_the_last_stage_has_the_packages_alone_and_runs_as_nobody_in_particular(service):
    steps = instructions(service)
    stages = [at for at, (word, _) in enumerate(steps) if word == "FROM"]
    last = steps[stages[-1] :]
    copies = [what for word, what in last if word == "COPY"]
    users = [what for word, what in last if word == "USER"]
    assert copies == ["--from=build /opt/metaqore /opt/metaqore"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    module = f"metaqore_{service.name.replace('-', '_')}"
    assert last[-1] == ("ENTRYPOINT", f'["python", "-m", "{module}"]')
