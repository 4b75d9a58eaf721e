"""The quick walk over a module's statements finds what `ast.walk` finds."""

import ast
from pathlib import Path

from scripts.syntax import functions, statements, trees

EVERY_CLAUSE = """
def a():
    async def b(): ...
class C:
    def d(self):
        try:
            def e(): ...
        except ValueError:
            def f(): ...
        else:
            def g(): ...
        finally:
            def h(): ...
try:
    pass
except* OSError:
    def i(): ...
if a:
    def j(): ...
elif C:
    def k(): ...
else:
    def l(): ...
for _ in ():
    def m(): ...
else:
    def n(): ...
while False:
    def o(): ...
else:
    def p(): ...
with a() as q:
    def r(): ...
match a:
    case 1 if C:
        def s(): ...
    case _:
        def t(): ...
async def u():
    async with a():
        def v(): ...
    async for _ in a():
        def w(): ...
lambda: 0
"""


def test_no_statement_is_missed_in_any_clause() -> None:
    tree = ast.parse(EVERY_CLAUSE)
    kinds = (ast.stmt, ast.ExceptHandler, ast.match_case)
    walked = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    found = list(statements(tree))
    assert len(found) == len(walked)
    assert {id(node) for node in found} == {id(node) for node in walked}
    assert {node.name for node in functions(tree)} == set("abdefghijklmnoprstuvw")


def test_trees_are_of_modules_that_mention_something(tmp_path: Path) -> None:
    for name, text in {"a/one.py": "x = 1", "a/b/two.py": "y = 2", "a/b/c.txt": "x", "d/three.py": "x"}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = {str(file.relative_to(tmp_path)): ast.unparse(tree) for file, tree in trees(tmp_path, ["a"], "x|y")}
    assert found == {"a/b/two.py": "y = 2", "a/one.py": "x = 1"}
    assert [file.name for file, _ in trees(tmp_path, ["d/three.py", "a"], r"\bx")] == ["three.py", "one.py"]
