"""XML from strangers: no document type, hence no entities; of bounded size and depth; one line of error."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from triplehead.data.files import decimal, read_bytes
from triplehead.errors import InputError, shown

LARGEST = 1 << 20  # bytes; the largest annotation of VOC2012 has some 20,000
DEEPEST = 32


def parse(path: Path, expected: str) -> Element:
    """The root element. Raises InputError for a file that is missing, too large, not well-formed, nested deeper than
    any annotation is, or has a DOCTYPE; nothing outside the file is ever read."""
    content = read_bytes(path, expected, LARGEST)
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise InputError(path, f"line {parser.CurrentLineNumber}: nested deeper than {DEEPEST} elements")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_) -> None:
        raise InputError(path, f"line {parser.CurrentLineNumber}: a DOCTYPE is not allowed in an annotation")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        problem = expat.errors.messages[error.code]
        raise InputError(path, f"is not well-formed XML (line {error.lineno}: {problem})") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not have, or not for this
        raise InputError(path, f"is not well-formed XML ({error})") from None
    return builder.close()


def child(path: Path, place: str, parent: Element, tag: str) -> Element:
    """The one direct child of that name. Raises InputError where there is none, or another one."""
    found = parent.findall(tag)
    if len(found) != 1:
        raise InputError(path, f"{place}: {f'{len(found)} times' if found else 'no'} <{tag}>, expected one")
    return found[0]


def text(path: Path, place: str, parent: Element, tag: str) -> str:
    """The text of that child, without white space around it."""
    return (child(path, place, parent, tag).text or "").strip()


def number(path: Path, place: str, parent: Element, tag: str) -> float:
    """The finite decimal number in that child."""
    found = text(path, place, parent, tag)
    if (value := decimal(found)) is None:
        raise InputError(path, f"{place}: <{tag}> is {shown(found)}, expected a finite number, at most 2**53 from 0")
    return value


def whole(path: Path, place: str, parent: Element, tag: str, least: int, most: int) -> int:
    """The whole number from `least` to `most` in that child."""
    found = text(path, place, parent, tag)
    if not re.fullmatch(r"\d{1,9}", found, re.ASCII) or not least <= int(found) <= most:
        raise InputError(path, f"{place}: <{tag}> is {shown(found)}, expected a whole number from {least} to {most}")
    return int(found)
