"""No line of the program can run what a file says: no unpickling, no eval, no shell, no import by a name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("cli", "comparison", "data", "inspection", "losses", "models", "records", "specs", "training")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("torch.load", "torch.hub.load", "pickle.load", "pickle.loads", "marshal.loads", "shelve.open"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
    *("os.system", "os.popen", "os.exec", "pty.spawn", "runpy.run_path", "joblib.load", "dill.load"),
}
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
    "runpy",
    "pty",
    "ctypes",
    "socket",
}

PROGRAMS = {"records/environment.py": 1, "comparison/processes.py": 0}
"""Where programs are started, and how often: git and its like with a fixed name, and never a shell."""

C_FUNCTIONS = {"training/devices.py": {"ctypes.CDLL(None)"}}
"""Where functions of C are called, and of what: the process itself, never a library by its name."""

IMPORTS_BY_NAME = {"training/export_formats.py"}
"""What imports modules whose names are constants of the program."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_that_is_read_is_run(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _called(node)
            if called.startswith("ctypes."):
                assert ast.unparse(node) in C_FUNCTIONS[_name(path)], node.lineno
            assert called not in FORBIDDEN_CALLS, (called, node.lineno)
            options = {each.arg: each.value for each in node.keywords}
            for option, harmful in (("allow_pickle", True), ("shell", True), ("weights_only", False)):
                given = options.get(option)
                assert not (isinstance(given, ast.Constant) and given.value is harmful), node.lineno
            if called in ("np.load", "numpy.load", "numpy_format.read_array"):
                assert "allow_pickle" in options, f"{called} says nothing of pickles, line {node.lineno}"
            if called.startswith("subprocess.") and "subprocess" in called:
                assert _name(path) in PROGRAMS, node.lineno
            if called.endswith("import_module"):
                assert _name(path) in IMPORTS_BY_NAME, node.lineno
                assert isinstance(node.args[0], ast.Constant), "the name is no constant"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [each.name for each in node.names]
            )
            found = {name.partition(".")[0] for name in names} & FORBIDDEN_MODULES
            assert found <= ({"ctypes"} if _name(path) in C_FUNCTIONS else set()), node.lineno


def test_yaml_is_read_by_the_safe_parsers_alone() -> None:
    loaders = {
        found for path in MODULES for found in re.findall(r"yaml\.(\w*Loader)", path.read_text("utf-8"))
    }
    assert loaders == {"CSafeLoader", "SafeLoader"}


def test_only_one_place_prints_what_strangers_wrote() -> None:
    """Every text that a console prints went through `plain`, `cell`, `title` or `print_line`, or is ours."""
    for path in sorted((ROOT / "cli").glob("*.py")):
        text = path.read_text("utf-8")
        assert "rich.markup" not in text, f"{path.name} escapes markup but not control characters"
        assert not re.search(r"""\.print\(f["']""", text), (
            f"{path.name} prints what a stranger may have written"
        )
