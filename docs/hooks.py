"""What the site has beyond docs/*.md: a page a method, from its docstring and the committed
results, and the pages and files of the project that the text links to.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "results" / "committed"
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")  # of docs/, as a reader of the repository needs it


def methods() -> list[str]:
    """The registry's names, read without importing torch."""
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse((ROOT / "methods" / "__init__.py").read_text()).body
        if isinstance(node, ast.Assign)
    }
    return [
        name for key in ("PAPER", "TODAY", "REFERENCES") for name in ast.literal_eval(assigned[key])
    ]


def results(method: str) -> list[str]:
    """Every committed table's rows of a method, its variants included, under their preset."""
    lines = []
    for path in sorted(COMMITTED.glob("*/summary.md")):
        head, rows, found = "", [], []
        for line in [*path.read_text().splitlines(), "**end**"]:
            if line.startswith("**"):  # a table's head: its dataset, and the size of its runs
                found += [head, "", *rows, ""] if len(rows) > 2 else []
                head, rows = f"`{path.parent.name}`, {line}", []
            elif line.startswith("|"):
                label = line.split("|")[1].strip()
                if len(rows) < 2 or label.partition("[")[0] == method:
                    rows.append(line)
        lines += found
    return lines or ["No committed run."]


def page(method: str) -> str:
    """A method's page."""
    doc = ast.get_docstring(ast.parse((ROOT / "methods" / f"{method}.py").read_text())) or ""
    title, _, rest = doc.partition("\n")
    words = re.sub(r"(?m)^(Departures[^:\n]*:)", r"**\1**", rest)
    return "\n".join([
        f"# {method}", "", f"*{title}*", "", words, "",
        f"Settings with defaults: `lbt-bench --list {method}`. Run it: "
        f"`lbt-bench --methods {method} --dataset ring`.", "",
        "## Results", "", *results(method), "",
        "## Code", "", f"::: methods.{method}", "    options:",
        "      show_docstring_description: false", "",
    ])  # fmt: skip


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the methods, the committed pages, and whatever is linked to."""
    for name in methods():
        files.append(File.generated(config, f"methods/{name}.md", content=page(name)))
    rows = [f"- [{name}]({name}.md)" for name in methods()]
    index = "# Methods\n\nOne file a method, on one page each: equations, departures, results.\n\n"
    files.append(File.generated(config, "methods/index.md", content=index + "\n".join(rows)))
    linked = {*COMMITTED.glob("*.html"), *COMMITTED.glob("*.csv"), *COMMITTED.glob("*/index.html")}
    for file in files.documentation_pages():
        linked |= {ROOT / target for target in OUTSIDE.findall(file.content_string)}
    for path in sorted(linked):
        name = str(path.relative_to(ROOT))
        if path.is_file() and name not in files.src_uris:
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links to the project's files lead to their copies in the site."""
    return OUTSIDE.sub(r"](\1", markdown) if "/" not in page.file.src_uri else markdown
