"""Instances of any message or report, made from its type."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect


def made(
    kind: Any, *, text: str = "text", whole: bool = True, fields: Mapping[str, Any] | None = None
) -> Any:
    """Make an instance; every text in it is ``text``.

    A ``whole`` one has every optional field and one element in every container, another has the
    required fields alone, None where that may be, and empty containers. Fields with a name of
    ``fields`` have its value wherever they are.
    """
    return _made(inspect.type_info(kind), _Wish(text, whole, fields or {}))


class _Wish(NamedTuple):
    text: str
    whole: bool
    fields: Mapping[str, Any]


def _made(kind: inspect.Type, wish: _Wish) -> Any:
    match kind:
        case (
            inspect.StructType(cls=cls, fields=fields)
            | inspect.DataclassType(cls=cls, fields=fields)
        ):
            return cls(**_fields(fields, wish))
        case inspect.UnionType(types=types):
            if not wish.whole and any(isinstance(one, inspect.NoneType) for one in types):
                return None
            some = [one for one in types if not isinstance(one, inspect.NoneType)]
            return _made(some[0], wish)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [_made(item, wish)] if wish.whole else []
        case inspect.TupleType(item_types=items):
            return tuple(_made(item, wish) for item in items)
        case inspect.DictType(key_type=key, value_type=value):
            return {_made(key, wish): _made(value, wish)} if wish.whole else {}
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.EnumType(cls=cls):
            return next(iter(cls))
        case inspect.StrType() | inspect.AnyType():
            return wish.text
        case inspect.RawType():
            return msgspec.Raw(b"null")
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 1
        case inspect.FloatType():
            return 1.5
        case inspect.NoneType():
            return None
    raise NotImplementedError(kind)


def _fields(fields: tuple[inspect.Field, ...], wish: _Wish) -> dict[str, Any]:
    return {
        field.name: wish.fields[field.name]
        if field.name in wish.fields
        else _made(field.type, wish)
        for field in fields
        if wish.whole or field.required
    }
