"""Sets of strings that a marker can describe: a list, what is not on a list, what contains or lies within a text."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class StringSet:
    """`listed` is None where any string may be in. The other bounds hold for each string in the set."""

    listed: frozenset[str] | None = None
    unlisted: frozenset[str] = frozenset()
    within: frozenset[str] = frozenset()
    not_within: frozenset[str] = frozenset()
    containing: frozenset[str] = frozenset()
    not_containing: frozenset[str] = frozenset()

    def __contains__(self, value: str) -> bool:
        return (self.listed is None or value in self.listed) and self._bounded(value)

    def _bounded(self, value: str) -> bool:
        return (
            value not in self.unlisted
            and all(value in text for text in self.within)
            and not any(value in text for text in self.not_within)
            and all(text in value for text in self.containing)
            and not any(text in value for text in self.not_containing)
        )

    @property
    def is_empty(self) -> bool:
        """Whether surely no string is in. Where strings are not listed this may miss that none is."""
        if self.listed is not None:
            return not self.listed
        return any(part not in text for part in self.containing for text in self.within) or any(
            part in text for part in self.not_containing for text in self.containing
        )

    def meet(self, other: StringSet) -> StringSet:
        """What is in both."""
        listed = self.listed if other.listed is None else other.listed
        if self.listed is not None and other.listed is not None:
            listed = self.listed & other.listed
        met = StringSet(
            listed,
            self.unlisted | other.unlisted,
            self.within | other.within,
            self.not_within | other.not_within,
            self.containing | other.containing,
            self.not_containing | other.not_containing,
        )
        if listed is None:
            return met
        return StringSet(frozenset(value for value in listed if met._bounded(value)))


ANY_STRING = StringSet()


def atom_of(operator: str, value: str, *, value_first: bool) -> StringSet:
    """What one comparison with `value` describes. `value_first` is for `"linux" in sys_platform`.

    An order among strings is not defined: as in `packaging`, `<` and `>` hold for none, `<=` and `>=` for the same one.
    """
    match operator:
        case "==" | "===" | "<=" | ">=" | "~=":
            return StringSet(frozenset({value}))
        case "!=":
            return replace(ANY_STRING, unlisted=frozenset({value}))
        case "in":
            return replace(ANY_STRING, **{"containing" if value_first else "within": frozenset({value})})
        case "not in":
            return replace(ANY_STRING, **{"not_containing" if value_first else "not_within": frozenset({value})})
        case _:
            return StringSet(frozenset())
