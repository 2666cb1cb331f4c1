"""Code for TensorRT works under Python 3.10 too, the newest that the last complete wheel of TensorRT, 8.6.0, is for.

Syntax is parsed as 3.10's. Names from the standard library are looked up in typeshed, which mypy brings, as it is for
3.10. Methods of objects are not covered.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

OLDEST = (3, 10)
ROOT = Path(__file__).parents[2]
ROOMS = {"pipeline", "media", "models", "engines", "stages", "configs"}


def path_of(module: str) -> Path | None:
    """Return the path of one of our modules."""
    parts = module.split(".")[1:]
    base = ROOT.joinpath(*parts) if parts and parts[0] in ROOMS else ROOT.joinpath("sr4k", *parts)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def imported(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Modules and names that are imported when the code runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        yield from imported(node)


def imports_at_once(tree: ast.Module, module: str) -> bool:
    """Whether a module is imported as soon as the file is."""
    return any(isinstance(node, ast.Import) and module in {alias.name for alias in node.names} for node in tree.body)


def closure(*modules: str) -> dict[Path, ast.Module]:
    """The files that are run when these are imported."""
    found: dict[Path, ast.Module] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = path_of(module)
        if path is None or path in found:
            continue
        found[path] = ast.parse(path.read_text(), str(path), feature_version=OLDEST)
        waiting += [module.rpartition(".")[0]] if "." in module else []
        for name, member in imported(found[path]):
            if name.split(".")[0] == "sr4k":
                waiting += [name, f"{name}.{member}"]
    return found


FILES = closure("sr4k.engines.tensorrt")

NOT_REACHED = "tomllib"
"""Imported when the card of a network that the user brought is read: TensorRT refuses these networks before."""


def test_all_of_it_is_looked_at() -> None:
    names = {str(path.relative_to(ROOT)) for path in FILES}
    assert names >= {"engines/tensorrt_plan.py", "engines/cache.py", "engines/base.py", "models/export.py"}
    assert names >= {"sr4k/errors.py", "sr4k/__init__.py", "models/fold_luma.py"}


class Typeshed:
    """Names of the standard library's modules in the oldest Python."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules: dict[str, set[str]] = {}
        lines = (line.partition("#")[0].strip() for line in (folder / "VERSIONS").read_text().splitlines())
        self._versions = dict(line.split(": ") for line in lines if line)

    def has(self, module: str, member: str | None) -> bool:
        """Whether a module has a name; with ``None``, whether the module exists."""
        since, _, until = self._versions[module].partition("-") if module in self._versions else ("3.0", "", "")
        numbers = [tuple(map(int, version.split("."))) if version else OLDEST for version in (since, until)]
        if not numbers[0] <= OLDEST <= numbers[1]:
            return False
        return member is None or member in self._names(module) or self._stub(f"{module}.{member}") is not None

    def _names(self, module: str) -> set[str]:
        if module not in self._modules:
            stub = self._stub(module)
            assert stub is not None, module
            self._modules[module] = {*self._bound(ast.parse(stub.read_text()).body)}
        return self._modules[module]

    def _stub(self, module: str) -> Path | None:
        base = self._folder.joinpath(*module.split("."))
        return next((path for path in (base.with_suffix(".pyi"), base / "__init__.pyi") if path.exists()), None)

    def _bound(self, body: Iterable[ast.stmt]) -> Iterator[str]:
        told = {"sys": SimpleNamespace(version_info=OLDEST, platform=sys.platform), "TYPE_CHECKING": True}
        for node in body:
            if isinstance(node, ast.If):
                holds = eval(compile(ast.Expression(node.test), "typeshed", "eval"), told)
                yield from self._bound(node.body if holds else node.orelse)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.ImportFrom) and node.module and node.names[0].name == "*":
                yield from self._names(node.module)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from (alias.asname or alias.name for alias in node.names)


@pytest.fixture(scope="module")
def typeshed() -> Typeshed:
    spec = importlib.util.find_spec("mypy")
    if spec is None or spec.origin is None:
        pytest.skip("needs mypy's typeshed (extra [dev])")
    return Typeshed(Path(spec.origin).parent / "typeshed" / "stdlib")


@pytest.mark.parametrize(
    ("module", "member", "there"),
    [
        ("typing", "Self", False),
        ("enum", "StrEnum", False),
        ("datetime", "UTC", False),
        ("tomllib", None, False),
        ("typing", "Protocol", True),
        ("collections.abc", "Callable", True),
        ("os", "path", True),
    ],
)
def test_what_3_10_has_and_lacks_is_known(typeshed: Typeshed, module: str, member: str | None, there: bool) -> None:
    assert typeshed.has(module, member) is there


@pytest.mark.slow(seconds=1)
def test_no_name_of_a_newer_standard_library_is_used(typeshed: Typeshed) -> None:
    missing = []
    for path, tree in FILES.items():
        used = {pair for pair in imported(tree) if pair[0].split(".")[0] in sys.stdlib_module_names - {NOT_REACHED}}
        modules = {module for module, member in used if member is None}
        attributes = {
            (node.value.id, node.attr)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        }
        missing += [f"{path.name}: {m}.{n}" for m, n in used | attributes if not typeshed.has(m, n)]
    assert not missing
    assert not [path for path, tree in FILES.items() if imports_at_once(tree, NOT_REACHED)]
