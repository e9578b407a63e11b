#!/usr/bin/env python3
"""Prints a chart's README with its table of values made anew from the comments in values.yaml.

Usage: chart-values.py VALUES README

The table stands between the lines `<!-- values:begin -->` and `<!-- values:end -->`. A key's comment is the block of comment lines directly above it. A
key with a comment is a row; what stands below it is its default, written in one line. A key without one is a group,
and everything in it needs a comment of its own: a value without a comment is an error, so none stays undocumented.

Written for the block style that values.yaml is kept in, not for YAML at large: it needs Python and nothing else.
"""

import re
import sys

BEGIN = "<!-- values:begin -->"
END = "<!-- values:end -->"
KEY = re.compile(r"^( *)([A-Za-z][\w.]*):(?: (.*))?$")


class Problem(Exception):
    """The input does not have the form that this script reads."""


def read_keys(text):
    """Yields (depth, key, inline value or None, comment) for every key, in order."""
    comment = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            comment = []
        elif line.lstrip().startswith("#"):
            comment.append(line.lstrip().lstrip("#").strip())
        else:
            found = KEY.match(line)
            if not found:
                raise Problem(f"line {number}: cannot read {line!r}; only `key: value` in block style is understood")
            yield len(found[1]) // 2, found[2], found[3], " ".join(comment)
            comment = []


def default_of(value, children):
    """The default as one line: the inline value, or the keys below it in flow style."""
    if value is not None:
        return value
    parts = []
    for index, (depth, key, inner, _) in enumerate(children):
        if depth == children[0][0]:
            below = []
            for child in children[index + 1 :]:
                if child[0] <= depth:
                    break
                below.append(child)
            parts.append(f"{key}: {default_of(inner, below)}")
    return "{" + ", ".join(parts) + "}"


def rows(text):
    """Yields (path, default, comment) for each row of the table."""
    keys = list(read_keys(text))
    path = []
    covered_above = None  # Depth of a commented key, while the keys below it belong to its default.
    for index, (depth, key, value, comment) in enumerate(keys):
        del path[depth:]
        path.append(key)
        if covered_above is not None and depth > covered_above:
            continue
        covered_above = None
        below = []
        for child in keys[index + 1 :]:
            if child[0] <= depth:
                break
            below.append(child)
        if comment:
            covered_above = depth
            yield ".".join(path), default_of(value, below), comment
        elif value is not None or not below:
            raise Problem(f"{'.'.join(path)} has no comment: write one directly above it")


def table(text):
    """The table in Markdown."""
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, default, comment in rows(text):
        cells = [f"`{path}`", f"`{default}`", comment]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def main(values_path, readme_path):
    with open(values_path, encoding="utf-8") as file:
        made = table(file.read())
    with open(readme_path, encoding="utf-8") as file:
        readme = file.read()
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise Problem(f"{readme_path} lacks the lines {BEGIN} and {END}")
    sys.stdout.write(f"{head}{begin}\n{made}\n{end}{tail}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except Problem as problem:
        sys.exit(f"chart-values: {problem}")
