"""Registries: the parts of one kind that there are, each a module that holds its `Settings`.

To add a part: write its module, and give it a line in the registry of its folder. The config's union, its schema and
documentation, and the messages with the nearest name follow.
"""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union, cast

from pydantic import Discriminator, Tag

from oligopoly.errors import UserError
from oligopoly.settings import Settings


class PartSettings(Settings):
    """The config of a part. Its docstring and its fields' descriptions are the documentation.

    Class variables are facts that the workflow asks for before the part runs; nothing heavy is imported for them.
    """

    conda: ClassVar[str] = "oligopoly"  # name of the file in envs/ that its rule runs in, with --sdm conda
    packages: ClassVar[tuple[str, ...]] = ()  # distributions whose versions its numbers depend on


class _Context(dict[str, Any]):
    """A dictionary that `typing` can hash, as it does with all that stands in `X | None`."""

    __hash__ = object.__hash__  # type: ignore[assignment]


S = TypeVar("S", bound=PartSettings)


class Registry(Mapping[str, str], Generic[S]):
    """Modules by kind of parts with settings `S`. `what` names the kind of part, `key` where the config chooses one."""

    def __init__(self, what: str, key: str, modules: Mapping[str, str], default: str | None = None):
        self.what, self.key, self.modules, self.default = what, key, dict(modules), default

    def __getitem__(self, kind: str) -> str:
        if kind not in self.modules:
            raise UserError(f"{self.key}: {self.unknown(kind)}")
        return self.modules[kind]

    def unknown(self, kind: str) -> str:
        """What to say of a kind that there is not."""
        near = difflib.get_close_matches(kind, self.modules, n=1, cutoff=0.4)
        hint = f"; did you mean '{near[0]}'?" if near else f" (one of {', '.join(self.modules)})"
        return f"no {self.what} is called '{kind}'{hint}"

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __contains__(self, kind: object) -> bool:
        return kind in self.modules

    def module(self, kind: str) -> ModuleType:
        """The module of a part. Raises UserError with the nearest name for a kind that there is not."""
        return importlib.import_module(self[kind])

    def settings(self, kind: str) -> type[S]:
        """The model of a part's block in the config."""
        return cast(type[S], self.module(kind).Settings)

    def standard(self) -> S:
        """The settings where a config says nothing."""
        return self.settings(self.default or next(iter(self))).model_validate({})

    def read(self, block: Mapping[str, Any]) -> S:
        """Settings of a part from what `model_dump` made of them."""
        return self.read_one(block["kind"], block)

    def read_one(self, kind: str, block: Mapping[str, Any]) -> S:
        """The same of a block that stands under the name of its kind."""
        return self.settings(kind).model_validate(block, context=DUMPED)

    def union(self) -> Any:
        """The type of a config key that takes any of these parts, told apart by `kind`."""
        names = [f"'{kind}'" for kind in self]
        expected = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        branches = tuple(Annotated[self.settings(kind), Tag(kind)] for kind in self)
        if len(branches) == 1:
            return branches[0]
        return Annotated[
            Union[branches],  # noqa: UP007 - made at run time
            Discriminator(
                self._kind,
                custom_error_type="kind",
                custom_error_message="Input should be {expected}",
                custom_error_context=_Context(expected=expected, kinds=tuple(self)),
            ),
        ]

    def _kind(self, block: Any) -> Any:
        if isinstance(block, Mapping):
            return block.get("kind", self.default)
        return getattr(block, "kind", None)


# Of `model_validate`: quantities are numbers in base units already.
DUMPED = {"dumped": True}
