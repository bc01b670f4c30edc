"""Makes conflicts/maven.json: what modules of one project ask of an artifact, and whether Maven can serve them.

Run it with the project's Python; it needs Java and Maven, whose jars lie in MAVEN_LIB (/usr/share/maven/lib unless
given), and no network: the local repository is a folder of poms made for it. The modules are what the project depends
on. Cases are written by hand or drawn with a fixed seed. A case is held back by its name alone: those measure the
rules, and no rule may be changed after looking at one. It also asks how Maven orders versions, and what some poms pass
on to who uses their module.
"""

import hashlib
import itertools
import json
import os
import random
import re
import subprocess
import tempfile
from pathlib import Path

TARGET = Path(__file__).parent / "conflicts" / "maven.json"
VERDICTS = Path(__file__).with_name("MavenVerdicts.java")
LIB = os.environ.get("MAVEN_LIB", "/usr/share/maven/lib")
EACH = 75
"""How many compatible cases to keep, and how many others."""

BY_HAND = [
    ["1.0", "1.2"],
    ["1.0", "[1.2,2)"],
    ["[1.0]", "[1.0]"],
    ["[1.0]", "[1.2]"],
    ["[1.0]", "[1.0.0]"],
    ["[1.0,2.0)", "[2.0,3.0)"],
    ["[1.0,2.0]", "[2.0,3.0)"],
    ["(,1.2]", "[1.2,)"],
    ["(,1.2)", "[1.2,)"],
    ["(,1.2)", "(1.2,)"],
    ["[1.0,2.0)", "[1.5]", "2.5"],
    ["[1.0,2.0)", "2.5"],
    ["2.5", "[1.0,2.0)"],
    ["(,1.0],[1.2,)", "[1.1]"],
    ["(,1.0],[1.2,)", "[1.2]"],
    ["(,1.1),(1.1,)", "[1.1]"],
    ["(,1.1),(1.1,)", "[1.0,1.2]"],
    ["[1.0,2.0)", "[1.5,2.5)", "[1.8,3.0)"],
    ["[1.0,1.6)", "[1.5,2.5)", "[1.8,3.0)"],
    ["[1.0,1.6)", "[1.5,2.5)", "[1.6,3.0)", "1.0"],
    ["[1.2-alpha-1]", "[1.2,)"],
    ["[1.2-SNAPSHOT]", "[1.1,1.2)"],
    ["[1.2-SNAPSHOT]", "[1.1,1.2]"],
    ["[1.2-rc1]", "[1.2-beta-2,1.2)"],
    ["[1.2-sp-1]", "[1.2,1.3)"],
    ["[1.2-sp-1]", "(,1.2]"],
    ["[1.2.*]", "[1.2.9]"],
    ["[1.2.*]", "[1.3.0]"],
    ["[1.10]", "[1.9,1.11)"],
    ["[1.10]", "[1.1,1.9)"],
    ["LATEST", "[1.0,2.0)"],
    ["RELEASE", "1.5"],
]
VERSIONS = [
    *["1", "1.0", "1.1", "1.2-beta-2", "1.2-rc1", "1.2", "1.2-sp-1", "1.2.3", "1.9", "1.10"],
    *["2.0-alpha-1", "2.0a1", "2.0-SNAPSHOT", "2.0", "2.0.1", "2.3", "3.0"],
]
"""In Maven's order: a range that ends before it begins is no range."""

ORDERED = [
    *VERSIONS,
    *["1.0.0", "1-ga", "1.0-final", "1-1", "1.foo", "1-foo", "1.0-foo-2", "2.0.0.1", "1.2rc1", "1.2-cr1", "1.2-m3"],
    *["1.2m3", "1.2-milestone-3", "1..2", "1.x", "0.9", "1.2-20040101", "1.2.0-rc", "1.2-xyz", "2.0.0-sp"],
]


def dependency(version="", more=""):
    version = f"<version>{version}</version>" if version else ""
    return f"<dependency><groupId>g</groupId><artifactId>a</artifactId>{version}{more}</dependency>"


def depends(*on):
    return f"<dependencies>{''.join(on)}</dependencies>"


def manages(*on):
    return f"<dependencyManagement>{depends(*on)}</dependencyManagement>"


POMS = [
    depends(dependency("[1,2)")),
    depends(dependency(" 1.2 ")),
    depends(dependency("1.<!-- not 3 -->2")),
    depends(dependency("<![CDATA[[1,2)]]>")),
    depends(dependency("[1]"), dependency("[2]")),
    *(depends(dependency("1", f"<scope>{one}</scope>")) for one in ("compile", "runtime", "test", "provided")),
    *(depends(dependency("1", f"<optional>{one}</optional>")) for one in ("true", "TRUE", " true ", "false")),
    manages(dependency("[1,2)")) + depends(dependency()),
    manages(dependency("[1,2)")) + depends(dependency("[3,4)")),
    manages(dependency("[1]"), dependency("[2]")) + depends(dependency()),
    *(
        manages(dependency("1", f"<scope>{one}</scope>")) + depends(dependency())
        for one in ("runtime", "test", "provided")
    ),
    manages(dependency("1", "<scope>test</scope>")) + depends(dependency("", "<scope>compile</scope>")),
    manages(dependency("1", "<optional>true</optional>")) + depends(dependency()),
    "<properties><a.v>[1,2)</a.v></properties>" + depends(dependency("${a.v}")),
    "<properties><a.v>${b.v}</a.v><b.v>7</b.v></properties>" + depends(dependency("${a.v}")),
    "<properties><o>true</o></properties>" + depends(dependency("1", "<optional>${o}</optional>")),
    depends(dependency("${project.version}")),
    depends(dependency("${pom.version}")),
]
"""What a pom says beside who it is."""


def bound(chance):
    shape = chance.random()
    low, high = sorted(chance.choices(VERSIONS, k=2), key=VERSIONS.index)
    if shape < 0.2:
        return low
    if shape < 0.35:
        return f"[{low}]"
    if shape < 0.45:
        return f"{chance.choice('[(')}{low},)"
    if shape < 0.55:
        return f"(,{high}{chance.choice('])')}"
    if shape < 0.62:
        return f"(,{low}),({low},)"
    return f"{chance.choice('[[(')}{low},{high}{chance.choice(')])')}"


def drawn(count):
    chance = random.Random(20_045)
    for _ in range(count):
        yield [bound(chance) for _ in range(chance.choice([2, 2, 3, 3, 4]))]


def published(texts):
    """Versions near every one that the texts name, so that whatever some version satisfies, one of these does."""
    found = {f"{major}.{minor}" for major in (0, 1, 2, 3, 50) for minor in (0, 1, 5, 50)}
    for text in texts:
        for version in re.findall(r"[\w.-]+", text.replace("*", "7")):
            found |= {version, f"{version}.0.0.1", f"{version}-zzz", f"{version}-alpha-0", f"{version}.1"}
            numbers = re.match(r"\d+(?:\.\d+)*", version)
            if numbers:
                parts = [int(part) for part in numbers[0].split(".")]
                for step in (-1, 1):
                    found.add(".".join(map(str, [*parts[:-1], max(0, parts[-1] + step), 5])))
                found |= {f"{numbers[0]}-{word}" for word in ("alpha-1", "beta-3", "rc2", "SNAPSHOT", "sp-2")}
    return sorted(found - {"LATEST", "RELEASE"})


def pom(group, artifact, version, dependency=""):
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{dependency}</project>"
    )


def publish(repository, group, artifact, version, dependency=""):
    folder = repository / group / artifact / version
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{artifact}-{version}"
    (folder / f"{name}.pom").write_text(pom(group, artifact, version, dependency), encoding="utf-8")


def ask(cases):
    """For each case, whether Maven serves it; the order of all pairs of versions; and what each pom passes on."""
    pairs = [(one, other) for one, other in itertools.product(ORDERED, repeat=2) if one <= other]
    with tempfile.TemporaryDirectory() as folder:
        repository, questions = Path(folder) / "repository", []
        for number, texts in enumerate(cases):
            group = f"case{number}"
            versions = published(texts)
            for version in versions:
                publish(repository, group, "foo", version)
            listed = "".join(f"<version>{version}</version>" for version in versions)
            metadata = (
                f"<metadata><groupId>{group}</groupId><artifactId>foo</artifactId><versioning><latest>50.50</latest>"
                f"<release>50.50</release><versions>{listed}</versions></versioning></metadata>"
            )
            (repository / group / "foo" / "maven-metadata-local.xml").write_text(metadata, encoding="utf-8")
            for at, text in enumerate(texts):
                dependency = (
                    f"<dependencies><dependency><groupId>{group}</groupId><artifactId>foo</artifactId>"
                    f"<version>{text}</version></dependency></dependencies>"
                )
                publish(repository, group, f"m{at}", "1", dependency)
            questions.append("collect " + ",".join(f"{group}:m{at}:1" for at in range(len(texts))))
        questions += [f"compare {one} {other}" for one, other in pairs]
        for number, said in enumerate(POMS):
            file = Path(folder) / f"{number}.xml"
            file.write_text(pom("group", "mine", "1", said), encoding="utf-8")
            questions.append(f"passed-on {file}")
        asked = Path(folder) / "questions"
        asked.write_text("\n".join(questions) + "\n", encoding="utf-8")
        command = ["java", "-cp", f"{LIB}/*", str(VERDICTS), str(repository), str(asked)]
        answers = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    of_cases, of_pairs, of_poms = (
        answers[: len(cases)],
        answers[len(cases) : -len(POMS)],
        answers[-len(POMS) :],
    )
    orders = [[one, other, int(order)] for (one, other), order in zip(pairs, of_pairs, strict=True)]
    poms = [
        [pom("group", "mine", "1", said), answer[1:].split(";") if answer[1:] else []]
        for said, answer in zip(POMS, of_poms, strict=True)
    ]
    return [answer == "found" for answer in of_cases], orders, poms


def main():
    proposals = [(f"written {number}", texts) for number, texts in enumerate(BY_HAND)]
    proposals += [(f"drawn {number}", texts) for number, texts in enumerate(drawn(260))]
    verdicts, orders, poms = ask([texts for _, texts in proposals])
    cases, kept = [], {True: 0, False: 0}
    for (name, texts), compatible in zip(proposals, verdicts, strict=True):
        if kept[compatible] < EACH:
            kept[compatible] += 1
            held_back = name.startswith("drawn") and hashlib.sha256(name.encode()).digest()[0] % 2 == 0
            cases.append({"name": name, "requirements": texts, "compatible": compatible, "held_back": held_back})
    told = subprocess.run(["mvn", "--batch-mode", "--version"], capture_output=True, text=True, check=True).stdout
    tool = re.search(r"Apache Maven [0-9.]+", told)[0]
    written = json.dumps({"tool": tool, "cases": cases, "order": orders, "poms": poms}, separators=(",", ":"))
    written = written.replace('{"name"', '\n{"name"').replace('"order":', '\n"order":').replace('"poms":', '\n"poms":')
    TARGET.write_text(written + "\n", encoding="utf-8")
    print(f"{len(cases)} cases, {kept[True]} of them compatible; {len(orders)} pairs of versions")


if __name__ == "__main__":
    main()
