"""Renders the chart and reads the result as plain data.

Python's standard library has no YAML reader, so helm itself turns the rendered documents into JSON: a chart of one
template reads each document with the same parser that reads it at an install.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
CHART = REPOSITORY / "deploy/helm/gaap-operator"
# Long enough for a loaded machine; a helm call takes a fraction of a second.
DEADLINE_SECONDS = 60

CONVERTER = (
    '{{ range $path, $_ := .Files.Glob "documents/*" }}---\n'
    '{{ dict "path" $path "object" ($.Files.Get $path | fromYaml) | toJson }}\n{{ end }}'
)


class Refused(Exception):
    """Helm refused; the message is what the user reads."""


def helm(*arguments):
    """Runs helm without any cluster and returns its output."""
    done = subprocess.run(
        [os.environ["HELM"], *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env={**os.environ, "KUBECONFIG": os.devnull},
        check=False,
    )
    if done.returncode != 0:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def read_yaml(texts):
    """Reads each text as one YAML document."""
    with tempfile.TemporaryDirectory() as folder:
        chart = pathlib.Path(folder)
        (chart / "documents").mkdir()
        (chart / "templates").mkdir()
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: converter\nversion: 0.0.0\n")
        (chart / "templates/all.yaml").write_text(CONVERTER)
        for number, text in enumerate(texts):
            (chart / f"documents/{number:04}").write_text(text)
        rows = [json.loads(line) for line in helm("template", "converter", chart).splitlines() if line.startswith("{")]
    if len(rows) != len(texts):
        raise AssertionError(f"{len(texts)} documents went in, {len(rows)} came out")
    return [row["object"] for row in sorted(rows, key=lambda row: row["path"])]


def documents(text):
    """The objects of a text of several YAML documents; documents of nothing but comments are left out."""
    parts = re.split(r"^---\s*$", text, flags=re.MULTILINE)
    return read_yaml([part for part in parts if re.search(r"^[^#\s]", part, flags=re.MULTILINE)])


def flags(values):
    """The command-line flags that set these values: a dict from dotted path to JSON value."""
    made = []
    for path, value in values.items():
        made += ["--set-json", f"{path}={json.dumps(value)}"]
    return made


@functools.lru_cache(maxsize=None)
def _render(arguments):
    return documents(helm("template", *arguments))


def render(release="edge", namespace="operators", **options):
    """The objects of an install, without the pod of `helm test` (`tests=True` adds it). `values` maps dotted paths to
    values; `extra` holds more flags."""
    extra = [*options.get("extra", ()), *(() if options.get("tests") else ("--skip-tests",))]
    arguments = [release, CHART, "--namespace", namespace, *flags(options.get("values", {})), *extra]
    return _render(tuple(map(str, arguments)))


def of_kind(objects, kind):
    """All objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def only(objects, kind):
    """The one object of a kind."""
    found = of_kind(objects, kind)
    if len(found) != 1:
        raise AssertionError(f"expected one {kind}, found {len(found)}")
    return found[0]
