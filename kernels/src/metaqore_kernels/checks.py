"""What arguments every path refuses, before any of them is chosen: shapes, types, ranges."""

from __future__ import annotations

import operator
from functools import cache
from typing import Any, Final

from metaqore_kernels.placement import as_numpy, on_gpu
from metaqore_kernels.results import Array

FLOATS: Final = ("float32", "float16", "bfloat16", "uint16")  # uint16 is bf16 where a library has no such type
INTEGERS: Final = ("int32", "int64")


def type_name(array: Array) -> str:
    """The element type by NumPy's name, whichever library's it is."""
    return name_of(array.dtype)


@cache
def name_of(dtype: Any) -> str:
    """The name of a type, which NumPy puts together anew each time."""
    return getattr(dtype, "name", None) or str(dtype).removeprefix("torch.")


def check_array(name: str, array: Array | None, types: tuple[str, ...], *shapes: tuple[int, ...]) -> None:
    """Refuse an array, if one is given, of none of the shapes or types: nothing is converted unasked."""
    if array is None:
        return
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name} is an array, not a {type(array).__name__}.")
    if shapes and tuple(array.shape) not in shapes:
        raise ValueError(f"{name} has shape {' or '.join(map(str, shapes))}, not {tuple(array.shape)}.")
    if type_name(array) not in types:
        raise TypeError(f"{name} is {' or '.join(types)}, not {type_name(array)}.")


def check_matrix(name: str, array: Array, *types: str) -> None:
    """Refuse what has not two dimensions, or none of the types."""
    check_array(name, array, types)
    if len(array.shape) != 2:  # noqa: PLR2004 - a matrix has
        raise ValueError(f"{name} has two dimensions, not {len(array.shape)}.")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {' or '.join(choices)}, not {value!r}.")


def check_chooser(tokens: int, experts: int, bias: Array | None, mask: Array | None, expert_map: Array | None) -> None:
    """Refuse what does not fit logits [tokens, experts]."""
    check_array("bias", bias, ("float32",), (experts,))
    check_array("mask", mask, ("bool",), (experts,), (tokens, experts))
    check_array("expert_map", expert_map, ("int32",), (experts,))


def check_layout(num_experts: int, block: int, capacity: int | None = None) -> None:
    """Refuse what no layout can be made of."""
    if num_experts < 1:
        raise ValueError(f"num_experts is at least 1, not {num_experts}.")
    if block < 1:
        raise ValueError(f"block is at least 1, not {block}.")
    if capacity is not None and capacity < 0:
        raise ValueError(f"capacity is at least 0, not {capacity}.")


def known_count(count: Any) -> Any:
    """A count of tokens as an int, or as it is where only the GPU knows it."""
    if count is None or on_gpu(count):
        return count
    number = as_numpy(count)
    return operator.index(number.reshape(()).item() if hasattr(number, "reshape") else number)
