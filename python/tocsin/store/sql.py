"""SQL for the row operations, and entities from rows. Texts are cached by shape; values are always parameters.

Texts are for no database in particular: `?` stands for a parameter, `= ANY (?)` takes a list, and LIKE takes no notice
of case. `for_sqlite` and `for_postgres` make of a statement what the database understands.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import cache
from itertools import count
from typing import Any, Generic, TypeVar

import msgspec

from tocsin.store.base import Delete, Insert, Op, Select, Update, Upsert

T = TypeVar("T", bound=msgspec.Struct)
Answer = TypeVar("Answer")
_ANY = "= ANY (?)"
Statement = tuple[str, list[Any]]
Question = Generator[Statement, list[Any], Answer]
"""Yields statements, is sent their rows, and returns the answer. All its statements see one moment."""

Shape = tuple[tuple[str, bool], ...]
"""The columns of a condition, each with whether it takes a list."""


def plain(value: Any) -> Any:
    """Return the number or text that a value of a subtype is: msgspec encodes exact types only.

    Raises:
        TypeError: it is something else.
    """
    for kind in (int, str):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"a row cannot hold {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=plain).encode
_decode = msgspec.json.Decoder().decode
_KEPT_AS_IS = frozenset({int, str, bool, bytes, float, type(None)})


def bind(value: Any) -> Any:
    """Return a value as the database keeps it: lists and objects are JSON text."""
    if isinstance(value, (list, tuple, dict)):
        return _encode(value).decode()
    return value


def _bound(values: Iterable[Any]) -> list[Any]:
    return [value if type(value) in _KEPT_AS_IS else bind(value) for value in values]


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@cache
def _insert_or_ignore(table: str, columns: tuple[str, ...]) -> str:
    return f"{_insert(table, columns)} ON CONFLICT DO NOTHING"


@cache
def _upsert(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    rest = [name for name in columns if name not in key]
    action = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in rest)}" if rest else "NOTHING"
    return f"{_insert(table, columns)} ON CONFLICT ({', '.join(key)}) DO {action}"


@cache
def _update(table: str, assigned: tuple[str, ...], added: tuple[str, ...], shape: Shape) -> str:
    terms = [f"{name} = ?" for name in assigned] + [f"{name} = {name} + ?" for name in added]
    return f"UPDATE {table} SET {', '.join(terms)} WHERE {_where(shape)}"


@cache
def _delete(table: str, shape: Shape, below: tuple[str, ...]) -> str:
    terms = ([_where(shape)] if shape else []) + [f"{name} < ?" for name in below]
    return f"DELETE FROM {table} WHERE {' AND '.join(terms)}"


@cache
def _where(shape: Shape) -> str:
    return " AND ".join(f"{name} {_ANY}" if many else f"{name} = ?" for name, many in shape)


def _shape(conditions: dict[str, Any]) -> Shape:
    return tuple((name, isinstance(value, (list, tuple))) for name, value in conditions.items())


def _asked(conditions: dict[str, Any]) -> list[Any]:
    """Return the values of a condition, lists as lists."""
    return [list(value) if isinstance(value, (list, tuple)) else value for value in conditions.values()]


def where(conditions: dict[str, Any]) -> Statement:
    """Return the text and the parameters of a condition; a list means IN."""
    return _where(_shape(conditions)), _asked(conditions)


def statement(op: Op) -> Statement:
    """Return the text and the parameters of a row operation."""
    if isinstance(op, Insert):
        make = _insert if op.unique else _insert_or_ignore
        return make(op.table, tuple(op.row)), _bound(op.row.values())
    if isinstance(op, Upsert):
        return _upsert(op.table, op.key, tuple(op.row)), _bound(op.row.values())
    parameters = _asked(op.where)
    if isinstance(op, Update):
        text = _update(op.table, tuple(op.set), tuple(op.add), _shape(op.where))
        return text, [*_bound(op.set.values()), *op.add.values(), *parameters]
    return _delete(op.table, _shape(op.where), tuple(op.below)), [*parameters, *op.below.values()]


@cache
def _select(
    table: str, columns: str, shape: Shape, above: tuple[str, ...], below: tuple[str, ...], order: str, limited: bool
) -> str:
    terms = [_where(shape)] if shape else []
    terms += [f"{name} > ?" for name in above] + [f"{name} < ?" for name in below]
    text = f"SELECT {columns} FROM {table} WHERE {' AND '.join(terms)}"
    if order:
        text += f" ORDER BY {order.removeprefix('-')}{' DESC' if order.startswith('-') else ''}"
    return f"{text} LIMIT ?" if limited else text


def select(question: Select[Any], columns: str) -> Statement:
    """Return the text and the parameters of a question; it has at least one condition."""
    above, below = tuple(question.above), tuple(question.below)
    text = _select(question.table, columns, _shape(question.where), above, below, question.order, bool(question.limit))
    limit = [question.limit] if question.limit else []
    return text, [*_asked(question.where), *question.above.values(), *question.below.values(), *limit]


# -- what each database understands


@cache
def _sqlite_text(text: str) -> str:
    # A list goes in as one JSON parameter: the text does not depend on its length, which SQLite would limit.
    return text.replace(_ANY, "IN (SELECT value FROM json_each(?))")


def for_sqlite(text: str, parameters: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return a statement as SQLite takes it."""
    if _ANY not in text:
        return text, parameters
    return _sqlite_text(text), _bound(parameters)


@cache
def for_postgres(text: str) -> str:
    """Return a statement's text as PostgreSQL takes it. Parameters stay as they are, lists too."""
    numbers = count(1)
    parts = text.replace(" LIKE ", " ILIKE ").split("?")
    return parts[0] + "".join(f"${next(numbers)}{part}" for part in parts[1:])


def must_match(op: Op) -> bool:
    """Return whether the operation must touch a row."""
    return isinstance(op, (Update, Delete)) and op.must_match


class Reader(Generic[T]):
    """Turns rows of one table into entities.

    Args:
        entity: the struct; its fields without `without` are the columns, in order.
        without: fields that live in other tables.
    """

    def __init__(self, entity: type[T], *without: str) -> None:
        hints = typing.get_type_hints(entity)
        names = [name for name in entity.__struct_fields__ if name not in without]
        self._entity = entity
        self._names = names
        self._loaders = [_loader(hints[name]) for name in names]

    def columns(self, prefix: str = "") -> str:
        """Return the column list for a SELECT."""
        return ", ".join(prefix + name for name in self._names)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self._names)

    def entity(self, row: Sequence[Any], **others: Any) -> T:
        """Build the entity from the first `width` values of a row and the fields of other tables."""
        values = {
            name: value if load is None else load(value)
            for name, load, value in zip(self._names, self._loaders, row, strict=False)
        }
        return self._entity(**values, **others)


@cache
def reader_of(entity: type[T]) -> Reader[T]:
    """Return the reader of an entity all whose fields are columns."""
    return Reader(entity)


def _loader(hint: Any) -> Callable[[Any], Any] | None:
    text = str(hint)
    if hint is bool:
        return bool
    if text.startswith("tuple["):
        return lambda value: tuple(_decode(value))
    if text.startswith(("list[", "dict[")):
        return lambda value: None if value is None else _decode(value)
    return None
