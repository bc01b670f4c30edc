"""Which files an answer holds, as real models write them."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.domain.answer_files import MAX_FILE_BYTES, MAX_FILES, files_in
from metaqore_ai_gateway.domain.media_types import media_type_of
from metaqore_ai_gateway.domain.named_paths import inside
from metaqore_ai_gateway.domain.tool_files import ToolCall
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.paths import checked_path

BODY = "x = 1\n"


def block(info="", body=BODY, before="", fence="```"):
    return f"{before}\n{fence}{info}\n{body}{fence}\n"


def paths(text, calls=()):
    return [one.path for one in files_in(text, calls).files]


@pytest.mark.parametrize(
    ("info", "path"),
    [
        ("python path/to/file.py", "path/to/file.py"),
        ("python main.py", "main.py"),
        ('ts title="src/a.ts"', "src/a.ts"),
        ("ts title='src/a.ts'", "src/a.ts"),
        ("js filename=src/a.js", "src/a.js"),
        ('python {filename="src/a.py"}', "src/a.py"),
        ('{.python file="src/a.py"}', "src/a.py"),
        ("js {1,3-5} src/a.js", "src/a.js"),
        ('js filename="src/my file.js"', "src/my file.js"),
        ("yaml file: ./k8s/deploy.yaml", "k8s/deploy.yaml"),
        ("python:src/a.py", "src/a.py"),
        ("dockerfile:Dockerfile", "Dockerfile"),
        ("src/a.py", "src/a.py"),
        ("requirements.txt", "requirements.txt"),
        ("python # src/a.py", "src/a.py"),
        ("js // src/a.js", "src/a.js"),
        ("tsx app/(shop)/[slug]/page.tsx", "app/(shop)/[slug]/page.tsx"),
        ("tsx (src/a.tsx)", "src/a.tsx"),
        ("gitignore .gitignore", ".gitignore"),
        ("make Makefile", "Makefile"),
        ("python src/grüße.py", "src/grüße.py"),
    ],
)
def test_a_path_behind_the_fence(info, path):
    assert paths(block(info)) == [path]


@pytest.mark.parametrize(
    "before",
    [
        "**src/a.py**", "`src/a.py`", "**`src/a.py`**", "### src/a.py", "#### `src/a.py`", "src/a.py:", "src/a.py",
        "File: src/a.py", "**File: `src/a.py`**", "**File:** `src/a.py`", "Filename: `src/a.py`", "File: **src/a.py**:",
        "1. **src/a.py**", "2. `src/a.py`:", "- `src/a.py`", "### 3. `src/a.py`", "**1. src/a.py**", "// src/a.py",
        "# src/a.py", "> src/a.py", "[src/a.py](src/a.py)", "`src/a.py` (new)", "**src/a.py (new file)**:",
        "Create `src/a.py`:", "Save this as src/a.py:", "New file: src/a.py", "\U0001f4c4 `src/a.py`", "*src/a.py*",
        "### File 2: `src/a.py`", "`src/a.py`\r", "  **src/a.py**  ", "./src/a.py",
    ],
)  # fmt: skip
@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_path_in_the_line_above(before, blank):
    assert paths(block("python", before=f"Here it is.\n\n{before}{blank}")) == ["src/a.py"]


@pytest.mark.parametrize(
    ("info", "before"),
    [
        pytest.param("diff", "**src/a.py**", id="a difference"),
        pytest.param("diff src/a.py", "", id="a difference with a path"),
        pytest.param("python", "", id="no path"),
        pytest.param("", "Run it:", id="prose"),
        pytest.param("python", "Then look at src/a.py and change it as follows:", id="a path in prose"),
        pytest.param("python", "In src/a.py:", id="a part of a file"),
        pytest.param("python", "Update `src/a.py`:", id="a change of a file"),
        pytest.param("bash", "**src/a.py**", id="how to run a file"),
        pytest.param("js", "### Node.js", id="a product"),
        pytest.param("js", "**Next.js**", id="another product"),
        pytest.param("text", "### 1.2", id="a number"),
        pytest.param("python", "**Usage**", id="a word"),
        pytest.param("text", "Input/output:", id="a word with a slash"),
        pytest.param("text", "src/", id="a folder"),
        pytest.param('python title="How it works"', "", id="a title"),
        pytest.param('js title="Install three.js"', "", id="a title that ends like a file"),
        pytest.param("rust,no_run", "", id="an attribute"),
        pytest.param('python hl_lines="1 3"', "", id="lines to mark"),
        pytest.param("12:20:src/a.py", "", id="an excerpt as editors have it"),
        pytest.param("python src/a.py:12-20", "", id="an excerpt"),
        pytest.param("dockerfile", "", id="a language that is also a name"),
        pytest.param("python", "example.com", id="a host"),
        pytest.param("python", "a" * 2000 + ".py", id="a line without end"),
    ],
)
def test_what_is_no_file(info, before):
    assert paths(block(info, before=before)) == []


def test_a_line_names_one_block_only():
    assert paths(block("python", before="**src/a.py**") + block("python")) == ["src/a.py"]
    assert paths(block("python", before="**src/a.py**\n\n\n\n")) == []


@pytest.mark.parametrize(
    "path",
    [
        "../a.py", "src/../../a.py", "/etc/passwd.conf", "src//a.py", "src/./a.py", "..\\a.py", "src\\a.py",
        "~/.bashrc", "C:/a.py", ".git/hooks/pre-commit", "sub/.GIT/config", "a/git~1/config", "src/\u202ea.py",
        "src/a\u200b.py", "x" * 1025 + "/a.py", "./../a.py", "file:///etc/a.conf",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused(path):
    found = files_in(block(f'python title="{path}"') + block("python src/good.py"))
    assert [one.path for one in found.files] == ["src/good.py"]
    assert found.refused == 1


def test_content_is_kept_to_the_byte():
    text = "a\tb  \n\n```\n\n~~~ \nü\n"
    assert files_in(f"~~~~python a.py\n{text}~~~~").files[0].content == text.encode()
    assert files_in("```python a.py\r\nx\r\n```\r\n").files[0].content == b"x\r\n"
    assert files_in("```python src/__init__.py\n```").files[0].content == b""


def test_a_block_in_a_list_loses_its_indentation():
    text = "1. **a.py**\n\n   ```python\n   if x:\n       y()\n\n   ```\n"
    assert files_in(text).files[0].content == b"if x:\n    y()\n\n"


def test_markdown_may_hold_blocks_with_the_same_fence():
    readme = "# Garden\n\n```bash\nmake\n```\n\n```python a.py\nx\n```\n"
    text = f"```markdown README.md\n{readme}```\n\n```python b.py\n{BODY}```\n"
    assert [(one.path, one.content) for one in files_in(text).files] == [
        ("README.md", readme.encode()), ("b.py", BODY.encode())
    ]  # fmt: skip


def test_what_is_cut_off_is_no_file():
    assert paths(block("python a.py") + "```python b.py\nx = ") == ["a.py"]


def test_the_last_one_of_a_path_counts():
    files = files_in(block("python a.py", "old\n") + block("python b.py") + block("python ./a.py", "new\n")).files
    assert [(one.path, one.content) for one in files] == [("a.py", b"new\n"), ("b.py", BODY.encode())]


@pytest.mark.parametrize(
    ("name", "arguments", "path"),
    [
        ("write_file", {"path": "src/a.py", "content": BODY}, "src/a.py"),
        ("writeFile", {"file_path": "src/a.py", "content": BODY}, "src/a.py"),
        ("Write", {"file_path": "src/a.py", "content": BODY}, "src/a.py"),
        ("create_file", {"filename": "src/a.py", "contents": BODY}, "src/a.py"),
        ("str_replace_based_edit_tool", {"command": "create", "path": "src/a.py", "file_text": BODY}, "src/a.py"),
        ("save_files", {"files": [{"path": "src/a.py", "content": BODY}]}, "src/a.py"),
        ("write_file", {"path": "./src/a.py", "content": BODY, "reason": "needed"}, "src/a.py"),
        ("read_file", {"path": "src/a.py"}, None),
        ("append_to_file", {"path": "src/a.py", "content": BODY}, None),
        ("edit_file", {"path": "src/a.py", "content": BODY}, None),
        ("str_replace_based_edit_tool", {"command": "insert", "path": "src/a.py", "file_text": BODY}, None),
        ("write_file", {"path": "src/a.py", "content": BODY, "start_line": 3}, None),
        ("write_file", {"path": "src/a.py", "content": 7}, None),
        ("write_file", {"path": "src/a.py", "file": "src/b.py", "content": BODY}, None),
        ("send_mail", {"path": "src/a.py", "content": BODY}, None),
        ("write_file", {"path": "", "content": BODY}, None),
        ("create_ticket", {"title": "a", "text": BODY}, None),
    ],
)
def test_a_tool_call_that_writes_a_file(name, arguments, path):
    found = files_in("", [ToolCall(name, json.dumps(arguments))])
    assert [(one.path, one.content) for one in found.files] == ([] if path is None else [(path, BODY.encode())])


@pytest.mark.parametrize(
    "arguments", ["", "{no", "[]", '"a"', '{"path":"a.py","path":"b.py","content":""}', '{"path":']
)
def test_a_tool_call_that_nobody_can_read_is_none(arguments):
    assert paths("", [ToolCall("write_file", arguments)]) == []


def test_a_tool_call_that_leads_elsewhere_is_refused():
    call = ToolCall("write_file", json.dumps({"path": "/etc/passwd", "content": "x"}))
    assert (paths("", [call]), files_in("", [call]).refused) == ([], 1)


def test_there_are_bounds():
    with pytest.raises(MetaQoreError, match="more than 100 files"):
        files_in("".join(block(f"python f{number}.py") for number in range(MAX_FILES + 1)))
    with pytest.raises(MetaQoreError, match="A file in the answer"):
        files_in(block("python a.py", "x" * MAX_FILE_BYTES + "\n"))
    with pytest.raises(MetaQoreError, match="together"):
        files_in("".join(block(f"python f{number}.py", "x" * (MAX_FILE_BYTES - 1) + "\n") for number in range(5)))


def test_a_long_answer_does_not_take_long():
    hostile = [
        "```\n" * 50_000, "~" * 200_000, "\n" * 300_000, ("`" * 400 + "\n") * 500, "# " * 100_000 + "\n```x\n```",
        ("**" * 500 + "a.py\n```py\n```\n") * 200, (" " * 1000 + "x\n```py\n```\n") * 200, "```py " + "a=" * 100_000,
        ("(" * 1100 + "\n```py\n```\n") * 200, ("File " * 230 + "\n```py\n```\n") * 200,
        "```md a.md\n" + "```x\n" * 50_000,
        ("a." * 550 + "\n```py\n```\n") * 300, ("```py " + "file" * 290 + "\n```\n") * 300,
    ]  # fmt: skip
    for text in hostile:
        began = time.process_time()
        files_in(text)
        assert time.process_time() - began < 2


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["```", "~~~", "````", "```py", "```md README.md", "**a.py**", "\n", "../x", "`b.ts`", "   "]),
        st.text(max_size=12),
    ),
    max_size=30,
).map("\n".join)


@given(TEXTS)
def test_whatever_is_said_no_path_leads_out_and_every_content_was_said(text):
    for file in files_in(text).files:
        assert checked_path(file.path) == file.path
        assert inside(file.path) == file.path
        for line in file.content.decode().split("\n"):
            assert line.strip() in text


@given(st.text())
def test_a_path_is_inside_or_nothing(path):
    found = inside(path)
    if found is not None:
        assert checked_path(found) == found
        assert not re.search(r"(^|/)\.{1,2}(/|$)|^/|\\", found)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}\.(py|ts|md|toml)", fullmatch=True),
            st.text(st.characters(exclude_characters="`~\r", exclude_categories=["Cs"]), max_size=60),
        ),
        max_size=6,
        unique_by=lambda one: one[0],
    )
)
def test_what_is_written_plainly_is_found_whole(files):
    text = "".join(f"Here:\n\n```lang {path}\n{content}\n```\n\n" for path, content in files)
    assert [(one.path, one.content.decode()) for one in files_in(text).files] == [
        (path, f"{content}\n") for path, content in files
    ]


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("a.py", "text/x-python"), ("a.ts", "text/typescript"), ("A.MD", "text/markdown"), ("Makefile", "text/plain"),
        ("a.b/c", "text/plain"), (".py", "text/x-python"), ("a.unknown", "text/plain"),
        ("pyproject.toml", "application/toml"),
    ],
)  # fmt: skip
def test_media_types(path, media_type):
    assert media_type_of(path) == media_type
