"""From a YAML document to a checked value: pydantic's findings, told in our words and at their places."""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from migrator.workspace.marks import Document, Loc
from migrator.workspace.problems import Problem, guess

Model = TypeVar("Model", bound=BaseModel)

_WORDS = {
    "missing": "`{key}` is missing",
    "string_type": "must be text; put it in quotes if it looks like a number or true/false",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "path_type": "must be a path, as text",
    "dict_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "model_attributes_type": "must be a mapping (key: value)",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_not_found": "`kind` is missing",
    "union_tag_invalid": "`kind` must be {expected_tags}",
    "invalid_key": "keys must be text",
}


def check(document: Document, model: type[Model], root: Path) -> tuple[Model | None, list[Problem]]:
    """`document` as a `model` (None when it is none), and everything that is wrong with it."""
    try:
        checked = model.model_validate({} if document.value is None else document.value, context={"root": root})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, document.problems + [_told(document, model, one) for one in found]
    return (None if document.problems else checked), document.problems


def _told(document: Document, model: type[BaseModel], error: ErrorDetails) -> Problem:
    loc: Loc = error["loc"]
    if error["type"] == "extra_forbidden":
        key = str(loc[-1])
        text = f"unknown key `{key}`" + guess(key, _keys(model, loc[:-1]))
        return document.problem(loc, text, at_key=True)
    if loc and loc[-1] == "[key]":
        return document.problem(loc, _text(error, loc), at_key=True)
    return document.problem(loc, _text(error, loc))


def _text(error: ErrorDetails, loc: Loc) -> str:
    context: Mapping[str, object] = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context.get("error", "not valid"))
    if (words := _WORDS.get(error["type"])) is None:
        return error["msg"]
    return words.format_map({"key": loc[-1] if loc else "", **context})


def _keys(model: object, loc: Loc) -> tuple[str, ...]:
    """The keys that the mapping at `loc` may have, found by walking down the types of `model`."""
    here = model
    for step in loc:
        here = _below(_bare(here), step)
    bare = _bare(here)
    if not (isinstance(bare, type) and issubclass(bare, BaseModel)):
        return ()
    return tuple(field.alias or name for name, field in bare.model_fields.items())


def _below(kind: object, step: str | int) -> object:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields.items()
        return next((field.annotation for name, field in fields if (field.alias or name) == step), None)
    if get_origin(kind) in (Union, UnionType):  # the step is the tag that chose one of several sections
        return next((one for one in get_args(kind) if step in _tags(one)), None)
    arguments = get_args(kind)
    return (arguments[1] if get_origin(kind) is dict else arguments[0]) if arguments else None


def _bare(kind: object) -> object:
    """`kind` without Annotated and without `| None`."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        rest = [one for one in get_args(kind) if one is not NoneType]
        return _bare(rest[0]) if len(rest) == 1 else kind
    return kind


def _tags(kind: object) -> tuple[object, ...]:
    """The values of `kind:` (or the tag) that choose this section."""
    if get_origin(kind) is Annotated:
        return next(((one.tag,) for one in get_args(kind) if isinstance(one, Tag)), _tags(_bare(kind)))
    if isinstance(kind, type) and issubclass(kind, BaseModel) and "kind" in kind.model_fields:
        return get_args(kind.model_fields["kind"].annotation)
    return ()
