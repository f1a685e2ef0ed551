"""Lints of our own: code in actors/ reads no clock, rolls no dice, awaits nothing, and iterates over no set; what is
public in actors/options has a docstring.

A line ending in `# lint: allow <why>` is passed over.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

_CALLS = re.compile(
    r"(.*\.)?(utcnow|today|uuid1|uuid4|urandom|sleep)|(dt|datetime)(\.datetime)?\.now|(time|random|secrets)\..+"
)
_MODULES = frozenset(("random", "secrets", "uuid", "time", "asyncio", "trio", "anyio", "socket", "threading"))
_ALLOWED = re.compile(r"# lint: allow \S+")


def problems(source: str) -> list[tuple[int, str]]:
    """Line and text of each problem, in line order. A set is known where it is written as one, or where a name of the
    same function was given one."""
    lines = source.splitlines()
    tree = ast.parse(source)
    found: list[tuple[int, str]] = []
    for scope in (tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))):
        names = _set_names(scope)
        for node in _own(scope):
            text = _problem(node, names)
            if text is not None:
                found.append(text)
    return sorted({row for row in found if not _ALLOWED.search(lines[row[0] - 1])})


def _own(scope: ast.AST) -> list[ast.AST]:
    """Nodes of a scope, those of functions inside it left out."""
    nodes: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        if not isinstance(node, ast.FunctionDef):
            waiting += ast.iter_child_nodes(node)
    return nodes


def _problem(node: ast.AST, names: frozenset[str]) -> tuple[int, str] | None:
    match node:
        case ast.Call() if _CALLS.fullmatch(ast.unparse(node.func)):
            return node.lineno, f"calls {ast.unparse(node.func)}"
        case ast.For() if _is_set(node.iter, names):
            return node.iter.lineno, "iterates over a set"
        case ast.comprehension() if _is_set(node.iter, names):
            return node.iter.lineno, "iterates over a set"
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            return node.lineno, "awaits: a core actor does no I/O"
        case ast.Import():
            for alias in node.names:
                if alias.name.partition(".")[0] in _MODULES:
                    return node.lineno, f"imports {alias.name}"
        case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in _MODULES:
            return node.lineno, f"imports from {module}"
    return None


def _set_names(scope: ast.AST) -> frozenset[str]:
    found: list[str] = []
    for node in _own(scope):
        if isinstance(node, ast.Assign) and _is_set(node.value, frozenset()):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_set_type(node.annotation):
            found.append(node.target.id)
    return frozenset(found)


def _is_set_type(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).split("[")[0] in ("set", "frozenset")


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Call():
            return ast.unparse(node.func).split("[")[0] in ("set", "frozenset")
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub()):
            return _is_set(node.left, names) or _is_set(node.right, names)
        case _:
            return isinstance(node, ast.Set | ast.SetComp)


def undocumented(source: str) -> list[tuple[int, str]]:
    """Line and text of each public module, class, function and method without a docstring; what is inside functions is
    nobody's business."""
    tree = ast.parse(source)
    found: list[tuple[int, str]] = []
    if tree.body and ast.get_docstring(tree) is None:
        found.append((1, "module has no docstring"))
    waiting: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while waiting:
        prefix, node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            found.append((node.lineno, f"public {prefix}{node.name} has no docstring"))
        if isinstance(node, ast.ClassDef):
            waiting += [(f"{node.name}.", inner) for inner in node.body]
    return sorted(found)


#: Edges live in the runtime beside the core: these are the files that may await and ask for the time.
EDGES = frozenset((Path("actors/runtime/_supervise.py"), Path("actors/runtime/_clock.py")))

#: Packages whose public names all say what they are.
_DOCUMENTED = Path("actors/options")


if __name__ == "__main__":
    files = [path for path in sorted(Path("actors").rglob("*.py")) if path not in EDGES]
    rows = [(path, *row) for path in files for row in problems(path.read_text())]
    rows += [
        (path, *row) for path in files if path.is_relative_to(_DOCUMENTED) for row in undocumented(path.read_text())
    ]
    for path, line, text in rows:
        print(f"{path}:{line}: {text}")
    sys.exit(1 if rows else 0)
