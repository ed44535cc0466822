"""What the sections of migrator.yaml are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, and no error repeats what was written (it may be a secret)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)


Count = Annotated[int, Field(ge=1, le=1_000_000)]
