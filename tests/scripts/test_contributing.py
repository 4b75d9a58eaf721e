"""What README, CONTRIBUTING and the documents name is there: targets of make, scripts, files."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.make_docs import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def without_code(document: Path) -> str:
    """The text outside blocks and spans of code, where brackets are no links."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: f"{document.parent.name}/{document.name}")
def test_every_named_target_of_make_is_there(document: Path) -> None:
    commands = re.findall(r"(?:^|`)make (?:--silent )?([a-z][\w-]*)", document.read_text(), flags=re.MULTILINE)
    assert set(commands) <= TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: f"{document.parent.name}/{document.name}")
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", without_code(document)):
        assert (document.parent / target).exists(), target


def test_every_check_of_lint_has_its_row() -> None:
    recipes = re.findall(r"^lint-\w+:\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    pattern = r"\$\(BIN\)/(?:python (?:-m )?(?:scripts/)?)?(\S+(?: check| format)?)"
    checks = [check for recipe in recipes for check in re.findall(pattern, recipe)]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert len(checks) >= 7
    assert [check for check in checks if f"`{check}" not in text] == []


@pytest.mark.parametrize("target", ["unit", "coverage"])
@pytest.mark.parametrize(("arguments", "is_narrowed"), [("tests/storage -q", True), ("-q", False)])
def test_paths_in_args_narrow_the_tests(target: str, arguments: str, *, is_narrowed: bool) -> None:
    """`make -n` writes the command and runs nothing. A folder named in ARGS replaces the target's own."""
    made = subprocess.run(
        ["make", "-n", target, f"ARGS={arguments}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    command = next(line for line in made.stdout.splitlines() if "-m pytest" in line)
    assert arguments in command
    assert ("tests/chain" in command) != is_narrowed


def test_the_second_part_of_the_tests_is_the_one_whose_files_are_chosen() -> None:
    asked = re.search(r'^SECOND_PART = (".*")$', (ROOT / "tests" / "conftest.py").read_text(), flags=re.MULTILINE)
    assert asked is not None
    assert f"-m {asked[1]} " in (ROOT / "Makefile").read_text()
