"""The examples of the docstrings and of the README run."""

from __future__ import annotations

import doctest
import inspect
import pathlib
import re
from collections.abc import Iterator

import pytest

import cloudoptim as co

ROOT = pathlib.Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring that a user can read, and the dotted name of what it is on."""
    yield "cloudoptim", inspect.getdoc(co) or ""
    for name in co.__all__:
        value = getattr(co, name)
        yield name, value.__doc__ or ""
        if isinstance(value, type):
            for member, descriptor in vars(value).items():
                doc = getattr(descriptor, "__doc__", None)
                if isinstance(doc, str) and not member.startswith("_"):
                    yield f"{name}.{member}", doc


EXAMPLES = [(name, doc) for name, doc in docstrings() if ">>>" in doc]


@pytest.mark.parametrize(("name", "doc"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_docstring_examples_give_what_they_show(name: str, doc: str) -> None:
    example = doctest.DocTestParser().get_doctest(
        inspect.cleandoc(doc), {"co": co, "cloudoptim": co}, name, None, None
    )
    output: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=output.append)
    assert results.failed == 0, "".join(output)


def test_the_readme_examples_run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """In order, in one namespace, as a reader would paste them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    # Paths in the README start at the root; what it writes goes elsewhere.
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], str(ROOT / "README.md"), "exec"), namespace)
