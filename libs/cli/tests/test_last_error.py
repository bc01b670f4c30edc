"""What is told of a mesh that did not start in the background: its last error, whole, out of its log."""

import pytest

from metaqore_cli.mesh_commands import last_error

PORTS = [
    "port_in_use: Port 9092 is held by process 7. METAQORE_BROKER__PORT takes another.",
    *[f"Port {port} is held by process 7." for port in range(8001, 8021)],
    "Or start with --free-ports.",
]


@pytest.mark.parametrize(
    "error",
    [PORTS, ["settings_invalid (gateway.rest_prot, gateway): No setting has this name."]],
    ids=["many lines", "with its reasons"],
)
def test_an_error_is_told_from_its_code_on(error):
    before = ["mesh_running: of before", *["  broker is stopped"] * 30, "  inference: asked to stop"]
    assert last_error([*before, *error]) == error


def test_of_what_is_no_error_the_last_lines_are_told():
    trace = [f"  File {n}: in it" for n in range(20)] + ["ValueError: nothing: at all"]
    assert last_error(trace) == trace[-12:]
    assert last_error([]) == []
