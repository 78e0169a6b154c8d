import json

import pytest

from tests.stack_files import CHECKOUT, declared

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", sorted(declared()))
def test_the_readme_says_of_every_setting_what_the_program_declares(key: str) -> None:
    declaration = declared()[key]
    default = declaration["default"]
    shown = "" if default == "" else f"`{default if isinstance(default, str) else json.dumps(default)}`"
    assert f"| `{key}` | {declaration['type']} | {shown} | {declaration['description']} |" in README


def test_every_file_that_the_readme_points_to_exists() -> None:
    links = {part.partition(")")[0] for part in README.split("](")[1:]}
    local = {link for link in links if not link.startswith("http")}
    assert [link for link in sorted(local) if not (CHECKOUT / link.partition("#")[0]).exists()] == []


def test_what_the_recovery_page_quotes_is_what_is_said() -> None:
    table = (
        (CHECKOUT / "docs" / "recovery.md")
        .read_text(encoding="utf-8")
        .partition("## What messages mean")[2]
        .partition("\n## ")[0]
    )
    quoted = [row.split("|")[1].strip(" `") for row in table.splitlines() if row.startswith("| `")]
    assert len(quoted) >= 7
    sources = [path for folder in ("infra", "pipeline", "tests/engine") for path in (CHECKOUT / folder).rglob("*.py")]
    said = "\n".join(path.read_text(encoding="utf-8") for path in [*sources, CHECKOUT / "app" / "Dockerfile"])
    assert [part for message in quoted for part in message.split("…") if part.strip() not in said] == []
