"""Compares the committed stub with the module, or writes it.

    python stubs.py DIRECTORY _cloudoptim.pyi

DIRECTORY holds what `maturin generate-stubs` made from the Rust signatures. What
that cannot know is taken from the installed module: the exceptions, and the names
and defaults of the engines' settings. What starts with one underscore is for the
tests and is left out.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import pathlib
import sys
import textwrap
from collections.abc import Iterator

from cloudoptim import _cloudoptim

# What annotations given as text may name.
MODULES = ("collections.abc", "datetime", "inspect", "os", "typing")
HEADER = "# Made by tests/stubs.py from the module: do not edit.\n"


def main(generated: pathlib.Path, committed: pathlib.Path) -> int:
    (source,) = generated.rglob("*.pyi")
    stub = HEADER + render(source.read_text(encoding="utf-8"))
    old = committed.read_text(encoding="utf-8") if committed.exists() else ""
    # As code: Pythons differ in how they lay it out.
    if ast.dump(ast.parse(stub)) == ast.dump(ast.parse(old)):
        return 0
    if os.environ.get("CLOUDOPTIM_UPDATE_STUBS"):
        committed.write_text(stub, encoding="utf-8")
        return 0
    diff = difflib.unified_diff(
        old.splitlines(keepends=True),
        stub.splitlines(keepends=True),
        str(committed),
        "the module",
    )
    sys.stderr.writelines(diff)
    sys.stderr.write(
        f"{committed} is not what the module has; "
        "run the tests again with CLOUDOPTIM_UPDATE_STUBS=1\n"
    )
    return 1


def render(generated: str) -> str:
    body: list[ast.stmt] = []
    for node in ast.parse(generated).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            # Said of every module that holds exceptions.
            if node.name == "__getattr__" or hidden(node.name):
                continue
        if isinstance(node, ast.Assign):  # `__all__`, which `__init__.py` has.
            continue
        if isinstance(node, ast.ClassDef) and has_settings(node.name):
            node.body = list(with_settings(node))
        body.append(Tidied().visit(node))
    body.extend(exceptions())

    used = {
        name.id
        for node in body
        if not isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    imports = {f"import {name}" for name in MODULES if name.split(".")[0] in used}
    rest = []
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if isinstance(node, ast.ImportFrom) and node.module in MODULES and node.module != "typing":
                continue
            node.names = [name for name in node.names if (name.asname or name.name) in used]
            if node.names:
                imports.add(ast.unparse(node))
        else:
            rest.append(node)
    # The module's docstring stays first.
    rest[1:1] = ast.parse("\n".join(sorted(imports))).body
    stub = ast.fix_missing_locations(ast.Module(rest, []))
    return ast.unparse(stub) + "\n"


def hidden(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


class Tidied(ast.NodeTransformer):
    """Annotations given as text in Rust as code, and docstrings with even margins."""

    depth = 0

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            doc = inspect.cleandoc(node.value.value)
            if "\n" in doc:
                margin = "    " * self.depth
                doc = textwrap.indent(f"{doc}\n", margin).lstrip() + margin
            return ast.Expr(ast.Constant(doc))
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        # From `from datetime import datetime`, which would hide the module.
        if node.id == "datetime":
            return ast.parse("datetime.datetime", mode="eval").body
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        return node  # Qualified already.

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = unquoted(node.returns)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = unquoted(argument.annotation)
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node


def unquoted(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def exceptions() -> Iterator[ast.stmt]:
    """The exceptions, each after the one that it derives from."""
    found = [
        value
        for value in vars(_cloudoptim).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    ]
    for value in sorted(found, key=lambda value: (len(value.__mro__), value.__name__)):
        base = value.__mro__[1].__name__
        yield from ast.parse(f"class {value.__name__}({base}):\n    {value.__doc__!r}").body


def has_settings(name: str) -> bool:
    return "__signature__" in vars(getattr(_cloudoptim, name))


def with_settings(node: ast.ClassDef) -> Iterator[ast.stmt]:
    """The members of the class, its settings as keywords and as properties."""
    value = getattr(_cloudoptim, node.name)
    settings = inspect.signature(value).parameters
    keywords = ", ".join(
        f"{name}: {it.annotation} = {default(it.default)}" for name, it in settings.items()
    )
    changes = ", ".join(f"{name}: {it.annotation} = ..." for name, it in settings.items())
    properties = ast.parse("__signature__: typing.ClassVar[inspect.Signature]").body
    for name, it in settings.items():
        doc = vars(value)[name].__doc__
        body = repr(doc) if doc else "..."
        properties += ast.parse(f"@property\ndef {name}(self) -> {it.annotation}: {body}").body
    for member in node.body:
        if isinstance(member, ast.FunctionDef):
            if member.name == "__new__":
                member.args = arguments(f"cls, *, {keywords}")
            elif member.name == "replace":
                member.args = arguments(f"self, *, {changes}")
            yield from properties
            properties = []
        yield member


def arguments(text: str) -> ast.arguments:
    (function,) = ast.parse(f"def f({text}): ...").body
    assert isinstance(function, ast.FunctionDef)
    return function.args


def default(value: object) -> str:
    return repr(value) if isinstance(value, (bool, int, float, str, type(None))) else "..."


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
