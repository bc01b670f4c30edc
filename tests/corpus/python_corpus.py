"""Makes conflicts/python.json: requirements, and whether uv finds versions for them among empty wheels.

Run it with the project's Python; it needs uv and no network. Cases are written by hand or drawn with a fixed seed. A
case is held back by its name alone: those measure the rules, and no rule may be changed after looking at one.
"""

import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

TARGET = Path(__file__).parent / "conflicts" / "python.json"
UV = Path(sys.executable).parent / "uv"
WHEELS = "file:///wheels"
ANY_ENVIRONMENT = "python_full_version >= '3.9'"
ONE_ENVIRONMENT = (
    "python_full_version == '3.11.0' and sys_platform == 'linux' and platform_system == 'Linux' and os_name == 'posix' "
    "and implementation_name == 'cpython' and platform_machine == 'x86_64'"
)
ARGUMENTS = {
    ANY_ENVIRONMENT: ["--universal", "--python-version", "3.9"],
    ONE_ENVIRONMENT: ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"],
}
EACH = 110
"""How many compatible cases to keep, and how many others."""

BY_HAND = [
    ["pkg<2", "pkg>=2"],
    ["pkg<2", "pkg>=1.5"],
    ["pkg==1.0", "pkg==1.0.0"],
    ["pkg==1.0", "pkg==1.1"],
    ["pkg~=1.4", "pkg>=1.9"],
    ["pkg~=1.4", "pkg>=2"],
    ["pkg~=1.4.2", "pkg>=1.5"],
    ["pkg~=1.4.2", "pkg<1.4.5"],
    ["pkg>=1,<3", "pkg!=1.*", "pkg!=2.*"],
    ["pkg>=1,<3", "pkg!=1.*", "pkg!=2.0"],
    ["pkg>=1,<2", "pkg>=1.5,<3", "pkg>=1.8,<1.9"],
    ["pkg>=1,<2", "pkg>=1.5,<3", "pkg>=2.1"],
    ["pkg!=1.0", "pkg==1.0"],
    ["pkg==1.*", "pkg<1.0"],
    ["pkg==1.*", "pkg>1.8"],
    ["pkg==1.2.*", "pkg==1.*"],
    ["pkg==1.2.*", "pkg==1.3.*"],
    ["pkg>1.0", "pkg<1.0.post2"],
    ["pkg>=1.0", "pkg<1.0.post2", "pkg!=1.0"],
    ["pkg>1.0.post1", "pkg<1.0.post3"],
    ["pkg>1.0", "pkg<1.0.1"],
    ["pkg>=2.0a1", "pkg<2.0"],
    ["pkg>=2.0a1", "pkg<2.0b1"],
    ["pkg==2.0a1", "pkg>=1"],
    ["pkg==2.0a1", "pkg>=2"],
    ["pkg>=2.0rc1", "pkg<=2.0"],
    ["pkg>=2.0.dev1", "pkg<2.0.dev5"],
    ["pkg>2.0a1", "pkg<=2.0a2"],
    ["pkg>=1.0", "pkg==1.0+cpu"],
    ["pkg==1.0", "pkg==1.0+cpu"],
    ["pkg==1.0+cpu", "pkg==1.0+gpu"],
    ["pkg!=1.0", "pkg==1.0+cpu"],
    ["pkg>1.0", "pkg==1.0+cpu"],
    ["pkg<=1.0", "pkg==1.0+cpu"],
    ["pkg===1.0", "pkg==1.0"],
    ["pkg===1.0", "pkg>=1.1"],
    ["pkg===1.0", "pkg<2"],
    ["pkg===1.0", "pkg===1.1"],
    ["pkg<2; python_version < '3.10'", "pkg>=2; python_version >= '3.10'"],
    ["pkg<2; python_version < '3.11'", "pkg>=2; python_version >= '3.10'"],
    ["pkg<2; python_version == '3.10'", "pkg>=2; python_version != '3.10'"],
    ["pkg<2; python_version <= '3.10'", "pkg>=2; python_version > '3.10'"],
    ["pkg<2; python_version <= '3.10'", "pkg>=2; python_full_version >= '3.10.5'"],
    ["pkg<2; python_version < '3.9'", "pkg>=2"],
    ["pkg<2; python_version in '3.10 3.11'", "pkg>=2; python_version not in '3.10 3.11'"],
    ["pkg<2; python_version in '3.10 3.11'", "pkg>=2; python_version >= '3.11'"],
    ["pkg<2; '3.10' > python_version", "pkg>=2; '3.10' <= python_version"],
    ["pkg<2; sys_platform == 'win32'", "pkg>=2; sys_platform == 'linux'"],
    ["pkg<2; sys_platform == 'win32'", "pkg>=2; sys_platform != 'win32'"],
    ["pkg<2; sys_platform == 'win32'", "pkg>=2; sys_platform != 'linux'"],
    ["pkg<2; sys_platform == 'linux'", "pkg>=2; os_name == 'posix'"],
    ["pkg<2; sys_platform == 'win32'", "pkg>=2; os_name == 'posix'"],
    ["pkg<2; platform_system == 'Windows'", "pkg>=2; sys_platform == 'linux'"],
    [
        "pkg<2; sys_platform == 'linux' and python_version < '3.11'",
        "pkg>=2; sys_platform != 'linux' or python_version >= '3.11'",
    ],
    [
        "pkg<2; sys_platform == 'linux' or python_version < '3.11'",
        "pkg>=2; sys_platform != 'linux' or python_version >= '3.11'",
    ],
    ["pkg<2; platform_machine == 'x86_64'", "pkg>=2; platform_machine == 'arm64'"],
    ["pkg<2; platform_machine == 'x86_64'", "pkg>=2; platform_machine != 'arm64'"],
    ["pkg<2; implementation_name == 'pypy'", "pkg>=2; implementation_name == 'cpython'"],
    ["pkg<2; implementation_name == 'pypy'", "pkg>=2; platform_python_implementation == 'PyPy'"],
    ["pkg<2; extra == 'fast'", "pkg>=2"],
    ["pkg[fast]<2", "pkg>=2"],
    ["pkg[fast]<2", "pkg[slow]>=1"],
    [f"pkg @ {WHEELS}/pkg-1.0-py3-none-any.whl", "pkg>=1"],
    [f"pkg @ {WHEELS}/pkg-1.0-py3-none-any.whl", "pkg>=2"],
    [f"pkg @ {WHEELS}/pkg-1.0-py3-none-any.whl", f"pkg @ {WHEELS}/pkg-2.0-py3-none-any.whl"],
    [f"pkg @ {WHEELS}/pkg-1.0-py3-none-any.whl", f"pkg @ {WHEELS}/pkg-1.0-py3-none-any.whl"],
    [
        f"pkg @ {WHEELS}/pkg-1.0-py3-none-any.whl ; sys_platform == 'linux'",
        f"pkg @ {WHEELS}/pkg-2.0-py3-none-any.whl ; sys_platform == 'win32'",
    ],
    ["pkg<2; python_version < '3.10'", "pkg>=1.5", "pkg>=2; python_version >= '3.12'"],
    ["pkg<2; python_version < '3.11'", "pkg>=1.5", "pkg>=2; python_version >= '3.10' and sys_platform == 'linux'"],
]

VERSIONS = [
    "1.0",
    "1.1",
    "1.2.3",
    "1.4",
    "2.0",
    "2.0.1",
    "2.0a1",
    "2.0rc1",
    "2.0.post1",
    "3.1",
    "1.4.dev2",
    "1.0.post2",
]
OPERATORS = [">=", ">=", ">=", "<", "<", "<", "<=", ">", "==", "!=", "~="]
MARKERS = [
    "python_version < '3.10'",
    "python_version >= '3.10'",
    "python_version <= '3.11'",
    "python_version > '3.11'",
    "python_version == '3.11'",
    "python_full_version < '3.11.4'",
    "sys_platform == 'linux'",
    "sys_platform != 'linux'",
    "sys_platform == 'win32'",
    "os_name == 'posix'",
    "os_name == 'nt'",
    "platform_system == 'Darwin'",
    "platform_machine == 'arm64'",
    "sys_platform == 'linux' and python_version >= '3.12'",
    "sys_platform == 'darwin' or python_version < '3.10'",
    "(sys_platform == 'win32' or sys_platform == 'darwin') and python_version >= '3.10'",
]


def drawn(count):
    chance = random.Random(20_040)
    for _ in range(count):
        lines = []
        marked = chance.random() < 0.5
        for _ in range(chance.choice([2, 2, 3, 3, 4])):
            bounds = []
            for _ in range(chance.choice([1, 1, 2])):
                operator, version = chance.choice(OPERATORS), chance.choice(VERSIONS)
                if operator in {"==", "!="} and chance.random() < 0.4 and re.fullmatch(r"[\d.]+", version):
                    version += ".*"
                bounds.append(operator + version)
            marker = f"; {chance.choice(MARKERS)}" if marked and chance.random() < 0.7 else ""
            lines.append(f"pkg{','.join(bounds)}{marker}")
        yield lines, chance.choice([ANY_ENVIRONMENT, ANY_ENVIRONMENT, ONE_ENVIRONMENT])


ENDS = ("a1", "a2", "a3", "b1", "rc1", "rc2", ".dev1", ".dev3", ".post0", ".post1", ".post2", ".post3", "+cpu", "+gpu")


def witnesses(lines):
    """Versions near every bound, so that whatever some version satisfies, one of these does."""
    found = {Version("1.0"), Version("2.0"), Version("0.1"), Version("0.1.dev1"), Version("50.0"), Version("50.0a1")}
    for line in lines:
        for specifier in Requirement(line).specifier:
            at = Version(specifier.version.removesuffix(".*"))
            release = list(at.release)
            near = [at, Version(at.public), Version(at.base_version)]
            for place in range(len(release)):
                for step in (-1, 1):
                    changed = [*release[:place], release[place] + step] + [0] * (len(release) - place - 1)
                    if changed[place] >= 0:
                        near.append(Version(".".join(map(str, changed))))
            near.append(Version(".".join(map(str, [*release, 1]))))
            near.append(Version(".".join(map(str, [*release, 0, 1]))))
            for one in list(near):
                base = one.base_version
                near += [Version(base + end) for end in ENDS]
                if not one.local:
                    near += [Version(f"{one}+cpu")]
            found.update(near)
    return sorted(found)


def write_wheels(folder, versions):
    for version in versions:
        path = folder / f"pkg-{version}-py3-none-any.whl"
        info = f"pkg-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as wheel:
            extras = "Provides-Extra: fast\nProvides-Extra: slow\n"
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: pkg\nVersion: {version}\n{extras}")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")


def verdict(lines, environment):
    """Whether uv finds versions. Any failure but one to find them is an error of the case."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wheels = root / "wheels"
        wheels.mkdir()
        write_wheels(wheels, witnesses(lines))
        text = "\n".join(lines).replace(WHEELS, wheels.as_uri())
        (root / "requirements.in").write_text(text + "\n", encoding="utf-8")
        run = subprocess.run(
            [
                *(UV, "pip", "compile", "--quiet", "--no-index", "--find-links", wheels, "--offline", "--no-config"),
                *("--cache-dir", root / "cache", "--python", sys.executable, *ARGUMENTS[environment]),
                root / "requirements.in",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode and not re.search("No solution found|conflicting URLs|unsatisfiable", run.stderr):
        sys.exit(f"{lines}: {run.stderr}")
    return run.returncode == 0


def case(name, lines, environment):
    compatible = verdict(lines, environment)
    print(".", end="", flush=True)
    held_back = name.startswith("drawn") and hashlib.sha256(name.encode()).digest()[0] % 2 == 0
    return {
        "name": name,
        "requirements": lines,
        "environment": environment,
        "compatible": compatible,
        "held_back": held_back,
    }


def main():
    cases = [case(f"written {number}", lines, ANY_ENVIRONMENT) for number, lines in enumerate(BY_HAND)]
    kept = {True: sum(one["compatible"] for one in cases), False: sum(not one["compatible"] for one in cases)}
    for number, (lines, environment) in enumerate(drawn(2000)):
        if all(count >= EACH for count in kept.values()):
            break
        one = case(f"drawn {number}", lines, environment)
        if kept[one["compatible"]] < EACH:
            kept[one["compatible"]] += 1
            cases.append(one)
    version = subprocess.run([UV, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    text = json.dumps({"tool": f"uv {version}", "cases": cases}, indent=1)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"\n{len(cases)} cases, {kept[True]} of them compatible")


if __name__ == "__main__":
    main()
