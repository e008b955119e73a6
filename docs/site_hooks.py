"""What the site adds to the pages in docs/: pages from files elsewhere, and links that stay inside."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).parents[1]
# Files outside of docs/ that are pages of the site, too.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/README.md": "measuring.md",
}
# What else a page links to, and where the site has it.
PLACES = {"sandbox/README.md": "sandbox.md", "README.md": "index.md", "example_dags": "examples.md"}
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
MENTION = re.compile(r"\bdocs/([a-z-]+)\.md\b")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are files elsewhere, and one of all examples."""
    for source, page in PAGES.items():
        text = _lead_inside((ROOT / source).read_text(), Path(source).parent, "")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "examples.md", content=_list_examples()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let the links of a page in docs/ to files outside of it lead to what the site has of these."""
    if page.file.generated_by:
        return markdown
    depth = page.file.src_uri.count("/")
    return _lead_inside(markdown, Path("docs", page.file.src_uri).parent, "../" * depth)


def on_page_content(html: str, page: Any, files: Any, **_: Any) -> str:
    """Make links of the pages that docstrings name."""

    def link(found: re.Match[str]) -> str:
        target = files.get_file_from_path(f"{found[1]}.md")
        if target is None:
            raise ValueError(f"{page.file.src_uri} names {found[0]}, which is no page")
        return f'<a href="{get_relative_url(target.url, page.url)}">{found[0]}</a>'

    return MENTION.sub(link, html) if page.file.src_uri.startswith("api/") else html


def _lead_inside(text: str, folder: Path, up: str) -> str:
    def lead(found: re.Match[str]) -> str:
        target = (ROOT / folder / found[1]).resolve().relative_to(ROOT).as_posix()
        anchor = found[2] or ""
        if target in PAGES or target in PLACES:
            page = PAGES.get(target) or PLACES[target]
        elif target.startswith("example_dags/"):
            page, anchor = "examples.md", f"#{Path(target).stem}"
        elif target.startswith("docs/"):
            page = target.removeprefix("docs/")
        else:
            return found[0]
        return f"]({up}{page}{anchor})"

    return LINK.sub(lead, text)


def _list_examples() -> str:
    parts = ["# Examples", "Each runs on Airflow 2.11 and 3 in our tests. They are in `example_dags/`."]
    for path in EXAMPLES:
        code = path.read_text()
        first = (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]
        parts += [f"## {path.name} {{#{path.stem}}}", first, f"```python\n{code}```"]
    return "\n\n".join(parts) + "\n"
