"""What the commands of PSMP have in common as they travel."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER, Count

MAX_PROPOSALS = 1000
"""How many artifacts can be proposed together."""

MAX_LISTED = 10_000
"""How many paths, renames or dependencies one version declares."""

MAX_SOURCES = 1000
"""How many documents, inputs or parents one version names."""

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
_NO_NUL = r"^[^\x00]*$"  # what a database cannot hold in a text

Id = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_ONE_LINE)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=_ONE_LINE)]
Word = Annotated[str, StringConstraints(max_length=256, pattern=_ONE_LINE)]
Line = Annotated[str, StringConstraints(max_length=1024, pattern=_ONE_LINE)]
Text = Annotated[str, StringConstraints(max_length=16_384, pattern=_NO_NUL)]
WhyText = Annotated[str, StringConstraints(max_length=4096, pattern=_NO_NUL)]
Why = Annotated[WhyText, Field(min_length=1, description="Why, for the record.")]
Revision = Annotated[Count, Field(description="The revision that the sender has seen; a stale one is refused.")]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)]
Labels = Annotated[dict[Id, Line], Field(max_length=64)]
ChoiceName = Literal["keep_existing", "take_incoming", "supersede", "manual", "merge"]
ModeName = Literal["strict", "flexible"]


class CommandPart(BaseModel):
    """A command, or a part of one: what it does not know it leaves out."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ProjectCommand(CommandPart):
    """A command, told apart by its name, `<aggregate>.<verb>`."""

    name: str

    @property
    def tool(self) -> str:
        """What policy is asked about: `psmp.artifact` of `artifact.propose`."""
        return f"psmp.{self.name.partition('.')[0]}"

    @property
    def verb(self) -> str:
        """How it is used: `propose` of `artifact.propose`."""
        return self.name.partition(".")[2]


def command_name(model: type[ProjectCommand]) -> str:
    """The name that every command of this model bears: `artifact.propose` of `ProposeArtifacts`."""
    (name,) = get_args(model.model_fields["name"].annotation)
    return str(name)


class ChangingCommand(ProjectCommand):
    """A command to something that is there already."""

    expected_revision: Revision | None = None
