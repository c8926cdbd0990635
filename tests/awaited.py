"""The awaited faces, made of those that wait: `python -m tests.awaited --write` renews them.

Each question of a collection or dictionary, and what writes labels, becomes a coroutine of the same
arguments, types and defaults, in client/aio/faces.py.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
FACES = ROOT / "client" / "aio" / "faces.py"
BASES = {"Collection": "AwaitedCollection", "Dictionary": "AwaitedDictionary"}
# What is not a question, or is written by hand (client/aio/bases.py), or needs the lake at hand.
OTHERS = {
    "where",
    "rest",
    "dictionary",
    "own_name",
    "selection",
    "codes",
    "embeddings",
    "export_codes",
    "export_embeddings",
    "export_labels",
    "export_vectors",
    "activations",
}
HEAD = '''"""Collections and dictionaries whose questions are awaited.

Made by `python -m tests.awaited --write` of those that wait.
"""

'''
IN_COLLECTION = '''
    @property
    def dictionary(self) -> "AsyncDictionary":
        """The dictionary that the corpus was encoded with."""
        return AsyncDictionary(self.name.partition("/")[2], self.transport)
'''


def sources() -> Mapping[str, ast.Module]:
    """The files of the faces that wait, by class."""
    return {name: ast.parse((ROOT / "client" / f"{name.lower()}.py").read_text()) for name in BASES}


def text() -> str:
    """The file of the awaited faces, laid out."""
    classes = "\n\n".join(_class(name, tree) for name, tree in sources().items())
    imports = "\n".join(_imports(classes))
    return _formatted(f"{HEAD}{imports}\n\n\n{classes}")


def questions(name: str, tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The public methods that become coroutines."""
    (found,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    for node in found.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        if node.name not in OTHERS:
            yield node


def _class(name: str, tree: ast.Module) -> str:
    methods = "\n".join(_method(name, node) for node in questions(name, tree))
    said = f'    """A {name.lower()} whose questions are awaited; see `saelake.{name}`."""\n'
    more = IN_COLLECTION if name == "Collection" else ""
    return f"class Async{name}({BASES[name]}):\n{said}\n{methods}{more}\n"


def _method(name: str, node: ast.FunctionDef) -> str:
    args = ast.unparse(_awaited(node.args))
    returns = ast.unparse(node.returns) if node.returns else "None"
    first = (ast.get_docstring(node) or "").splitlines()[0].rstrip(".")
    said = f"See `{name}.{node.name}`: {first[0].lower()}{first[1:]}."
    return (
        f"    async def {node.name}({args}) -> {returns}:\n"
        f'        """{_short(said)}"""\n'
        f"        found: {returns} = await self._asked({_passed(node)})\n"
        f"        return found\n"
    )


def _short(said: str) -> str:
    return said if len(said) <= 86 else f"{said.partition(':')[0]}."


def _passed(node: ast.FunctionDef) -> str:
    """The arguments, handed on."""
    given = [repr(node.name), *(arg.arg for arg in node.args.args[1:])]
    given += [f"*{node.args.vararg.arg}"] if node.args.vararg else []
    return ", ".join([*given, *(f"{arg.arg}={arg.arg}" for arg in node.args.kwonlyargs)])


def _awaited(args: ast.arguments) -> ast.arguments:
    """The arguments, of which collections are awaited too."""
    every = [*args.args, *args.kwonlyargs, *([args.vararg] if args.vararg else [])]
    for arg in every:
        annotation = arg.annotation
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            said = annotation.value
            for name in BASES:
                said = said.replace(name, f"Async{name}")
            arg.annotation = ast.Constant(said)
    return args


def _imports(classes: str) -> Iterator[str]:
    """The imports of the faces that wait, as far as the names are used."""
    used = {node.id for node in ast.walk(ast.parse(classes)) if isinstance(node, ast.Name)}
    for base in BASES.values():
        yield f"from saelake.aio.bases import {base}"
    own = [name for name in ("FeatureName", "FeatureWeights") if name in used]
    yield f"from saelake.collection import {', '.join(own)}"
    for tree in sources().values():
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) in used:
                        yield f"from {node.module} import {alias.name}"


def _formatted(code: str) -> str:
    for arguments in (["check", "--fix", "-q"], ["format", "-q"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(FACES), "-"],
            input=code,
            capture_output=True,
            text=True,
            check=False,
        )
        code = run.stdout or code
    return code


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        FACES.write_text(text())
    else:
        print(text())
