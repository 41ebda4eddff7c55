"""The report as one HTML page that needs nothing beside it: figures are data in it, there is no script."""

import base64
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from triplehead.errors import InputError

PAGE = "page.html.jinja"  # beside the PDF's template


def page(content: dict[str, Any], figures: Path, template: Path) -> str:
    """The page for `content` (of report.json), with the PNG of each figure from the folder `figures`.

    Raises InputError if the template is missing or does not compile.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": _code, "breakable": _breakable, "quoted": _quoted}
    environment.globals["picture"] = lambda name: _data(figures / f"{name}.png")
    try:
        return environment.get_template(template.name).render(r=content)
    except jinja2.TemplateNotFound:
        raise InputError(template, "no such file; run from the project's root") from None
    except jinja2.TemplateError as error:
        raise InputError(template, f"does not compile ({error})") from None


def _data(image: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"


def _code(text: str) -> Markup:
    """What stands between backquotes is set as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup(f"<code>{_breakable(part)}</code>") if i % 2 else part for i, part in enumerate(parts)
    )


def _breakable(name: str) -> Markup:
    """A dotted or dashed name may break after its separators, which the browser is not told by itself."""
    return Markup(re.sub(r"([._/])(?=\w)", r"\1<wbr>", str(escape(name))))


def _quoted(sentence: str) -> str:
    """What is read off a table or an equation is no quotation."""
    return sentence if sentence.startswith(("Table", "Eq")) else f"“{sentence}”"
