"""A team and its agents in one project: what PSMP stops, what it lets through, and how people find their way out.

`make story` starts it. Everybody in it uses the `metaqore` command with a key of their own; what each of them sees is
shown as it is. It runs a mesh of its own, on free ports, in a directory of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from metaqore_cli.main import main as metaqore_main
from own_mesh import METAQORE, Ended, own_mesh

PROJECT = "storefront"
PEOPLE = {
    "ann": ["psmp:read", "psmp:write"],
    "ben": ["psmp:read", "psmp:write"],
    "kim": ["psmp:read", "psmp:write"],
    "rita": ["psmp:read", "psmp:write", "psmp:erase", "audit:read", "role:reviewer"],
}
RECEIPT = re.compile(r"receipt ([0-9a-f]{8}-[0-9a-f-]{27})")
BLOCKED, REFUSED = 4, 1

screen = Console(width=max(Console().width, 132))


class _Both(io.TextIOBase):
    """Shows what is written, and keeps it."""

    def __init__(self, shown: TextIO | None) -> None:
        self._shown, self.kept = shown, io.StringIO()

    def write(self, text: str) -> int:
        self.kept.write(text)
        return len(text) if self._shown is None else self._shown.write(textwrap.indent(text, "   ", lambda _: False))

    def flush(self) -> None:
        if self._shown is not None:
            self._shown.flush()


class Story:
    """Who does what, and the receipts of all of it."""

    def __init__(self, keys: dict[str, str], directory: Path) -> None:
        self._keys = keys
        self.directory = directory
        self.receipts: list[str] = []

    def does(self, who: str, line: str, *, ends: int = 0, shown: bool = True) -> str:
        """Runs `metaqore <line>` as `who`, who sees what it prints; it has to end with this exit code."""
        if shown:
            screen.print(f"\n[bold cyan]{who}[/] $ [bold]metaqore {line}[/]", highlight=False, soft_wrap=True)
        out, err = _Both(sys.stdout if shown else None), _Both(sys.stderr if shown else None)
        os.environ["METAQORE_API_KEY"] = self._keys[who]
        before, sys.argv = sys.argv, ["metaqore", *shlex.split(line)]
        code: Any = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                metaqore_main()
        except Ended:
            raise
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            sys.argv = before
        self.receipts += RECEIPT.findall(err.kept.getvalue())
        if code != ends:
            sys.exit(f"metaqore {line}\nended with {code}, and should have with {ends}:\n{err.kept.getvalue()}")
        return out.kept.getvalue()

    def sees(self, who: str, line: str) -> Any:
        """The same, as values."""
        return json.loads(self.does(who, f"{line} --json", shown=False))

    def file(self, path: str, text: str) -> None:
        """A file in the directory where the story works."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def tell(title: str, text: str) -> None:
    """What happens next."""
    screen.print()
    screen.rule(f"[bold]{title}[/]", align="left")
    screen.print(text, highlight=False)


def made_keys(run_dir: Path) -> dict[str, str]:
    """A key for everybody; the lead has the mesh's first one."""
    keys = {"lead": (run_dir / "api-key").read_text().strip()}
    story = Story(keys, run_dir)
    for who, scopes in PEOPLE.items():
        options = " ".join(f"--scope {scope}" for scope in scopes)
        keys[who] = str(story.sees("lead", f"key create {who} {options}")["secret"])
    return keys


@contextlib.contextmanager
def followed(key: str, into: Path) -> Iterator[None]:
    """`metaqore project watch` in the background."""
    environment = {**os.environ, "METAQORE_API_KEY": key}
    with into.open("wb") as output:
        command = [METAQORE, "project", "watch", PROJECT, "--json"]
        watching = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            time.sleep(1.5)  # until it listens; what happens before that it would not see
            yield
        finally:
            watching.terminate()
            watching.wait()


def dependencies(story: Story) -> None:
    """Two agents pin what cannot stand together; a third is compatible."""
    tell(
        "1. Two agents pin incompatible versions; a third is compatible",
        "Each proposes the requirements of its service. They share one environment. Rita reviews: who proposes cannot "
        "let it count.",
    )
    story.file("billing/requirements.txt", "numpy>=1.26,<2\nhttpx>=0.27\n")
    story.file("search/requirements.txt", "numpy>=2.1\n")
    story.file("reports/requirements.txt", "numpy>=1.24,<3\n")
    story.does("ann", "artifact propose billing/requirements.txt")
    story.does("ann", "artifact activate billing/requirements.txt", ends=3)
    story.does("rita", "artifact activate billing/requirements.txt")
    screen.print("\n[italic]Ben needs NumPy 2, which billing excludes. He is told who, what, and how to resolve:[/]")
    story.does("ben", "artifact propose search/requirements.txt", ends=BLOCKED)
    story.does("rita", "artifact activate search/requirements.txt", ends=REFUSED)
    screen.print("\n[italic]Kim's range fits with what stands, and passes:[/]")
    story.does("kim", "artifact propose reports/requirements.txt")
    story.does("rita", "artifact activate reports/requirements.txt")


def paths(story: Story) -> None:
    """Two agents write the same path."""
    tell("2. Two agents write the same path", "Ann and Ben both write src/app.py, each under a name of its own.")
    story.file("src/app.py", "def app():\n    return 'ann'\n")
    story.does("ann", "artifact propose src/app.py --prefix ann/")
    story.does("rita", "artifact activate ann/src/app.py")
    story.file("src/app.py", "def app():\n    return 'ben'\n")
    story.does("ben", "artifact propose src/app.py --prefix ben/ --input ann/src/app.py", ends=BLOCKED)


def forty_files(story: Story) -> None:
    """Forty files at once, first as a dry run."""
    tell(
        "3. Forty files at once: first a dry run, then all or nothing",
        "Kim wrote a site of forty files. One of them differs from src/app.py in case alone.",
    )
    for number in range(1, 40):
        story.file(f"site/docs/page-{number:02}.md", f"# Page {number}\n")
    story.file("site/src/App.py", "def app():\n    return 'kim'\n")
    story.does("kim", "artifact propose site --root site --dry-run", ends=BLOCKED)
    story.does("kim", "artifact propose site --root site --all-or-nothing", ends=REFUSED)
    screen.print("\n[italic]Nothing was proposed. Kim renames the file, and all forty pass together:[/]")
    (story.directory / "site/src/App.py").rename(story.directory / "site/src/site.py")
    story.does("kim", "artifact propose site --root site --all-or-nothing")
    story.does("rita", "artifact activate src/site.py docs/page-01.md docs/page-02.md")


def blocking_report(story: Story) -> None:
    """What is stuck, and the command that frees it, pasted."""
    tell("4. What is stuck, and who can free it", "The blocking report names commands that can be pasted.")
    story.does("rita", "conflict list")
    story.does("rita", "project report --cause conflict")
    screen.print("\n[italic]Rita keeps NumPy below 2, and takes Ben's app over Ann's. She pastes two of the lines:[/]")
    for item in story.sees("rita", "project report --cause conflict"):
        choice = "keep_existing" if "requirements" in item["item"] else "take_incoming"
        [command] = [way["command"] for way in item["ways_out"] if f" {choice} " in way["command"]]
        line = command.removeprefix("metaqore ").replace("…", "agreed in the stand-up")
        story.does("rita", line)
    story.does("rita", "artifact activate ben/src/app.py")
    story.does("rita", "artifact provenance ben/src/app.py")


def past(story: Story) -> None:
    """A checkpoint, changes, the past, and back."""
    tell("5. A checkpoint, the past, and the way back", "Everything is the fold of its events: no moment is lost.")
    story.does("rita", 'checkpoint take release-1 --description "what we shipped"')
    story.file("reports/requirements.txt", "numpy>=1.24,<3\npolars>=1\n")
    story.does("kim", "artifact propose reports/requirements.txt")
    story.does("rita", "artifact activate reports/requirements.txt")
    story.does("rita", 'artifact deprecate docs/page-01.md --why "the page is wrong"')
    story.does("rita", 'artifact archive docs/page-01.md --why "kept for the record"')
    story.does("rita", "project diff --from release-1")
    story.does("rita", "artifact show reports/requirements.txt --at release-1")
    story.does("rita", 'checkpoint restore release-1 --why "the release was better" --dry-run')
    story.does("rita", 'checkpoint restore release-1 --why "the release was better" --yes')
    story.does("rita", "artifact versions reports/requirements.txt")
    story.does("rita", "artifact content reports/requirements.txt --out restored.txt")
    if "polars" in (story.directory / "restored.txt").read_text():
        sys.exit("The restored version has the body of later.")
    story.does("rita", "project diff --from release-1")


def told_live(events: Path) -> None:
    """What whoever followed the project saw meanwhile."""
    tell("6. Live", "All the while somebody followed the project with: metaqore project watch")
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    versions = [line["project_version"] for line in lines]
    for line in lines[-5:]:
        screen.print(f"   version {line['project_version']:>3}  {line['by']:<8}  {line['name']}", highlight=False)
    if versions != list(range(versions[0], versions[-1] + 1)):
        sys.exit(f"The live events have a gap or are out of order: {versions}")
    screen.print(f"   [green]{len(lines)} events[/], in order and without a gap.", highlight=False)


def verified(story: Story, run_dir: Path) -> None:
    """Fetches the proof of every receipt into a file, then verifies the files with the pinned public key alone."""
    tell("7. Proof", "Every command, done or refused, left a receipt. They are verified offline, by the pinned key.")
    receipts = list(dict.fromkeys(story.receipts))
    story.does("rita", f"audit proof {' '.join(receipts)} --out proofs", shown=False)
    files = " ".join(f"proofs/{receipt}.proof.json" for receipt in receipts)
    key = run_dir / "public" / "log.pub"
    found = story.sees("rita", f"audit verify {files} --key {shlex.quote(str(key))}")
    screen.print(f"\n[bold green]verified[/] {found['verified']} of {len(receipts)} receipts offline.", highlight=False)
    if found["verified"] != len(receipts) or found["faults"]:
        sys.exit(1)


def main() -> None:
    """The whole story."""
    os.environ["METAQORE_PROJECT"] = PROJECT
    with own_mesh(screen) as run_dir, tempfile.TemporaryDirectory(prefix="storefront-") as directory:
        os.chdir(directory)
        story = Story(made_keys(run_dir), Path(directory))
        tell("A project", "The lead begins a strict project: nothing counts that nobody else has looked at.")
        story.does("lead", f'project create {PROJECT} --description "The shop, and what agents write for it"')
        events = run_dir / "watched.jsonl"
        with followed(story.sees("lead", "key create watcher --scope psmp:read")["secret"], events):
            dependencies(story)
            paths(story)
            forty_files(story)
            blocking_report(story)
            past(story)
            time.sleep(0.5)  # what was committed last is on its way
        told_live(events)
        verified(story, run_dir)
        os.chdir("/")
    screen.print("\nTry next:  .venv/bin/metaqore up --detach")
    screen.print("           .venv/bin/metaqore artifact propose --help")
    screen.print("           docs/psmp.md                  how it works, through every door")


if __name__ == "__main__":
    main()
