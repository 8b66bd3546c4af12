"""YAML without its surprises: no key twice, and plain words mean what they look like (YAML 1.2)."""

import re

import yaml


class _Loader(yaml.SafeLoader):
    """A loader that knows true, false, null, decimal numbers and nothing else by their looks."""

    yaml_implicit_resolvers: dict = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: dict[object, int] = {}
        for key, _ in node.value:
            name, line = (key.tag, key.value) if isinstance(key.value, str) else id(key), key.start_mark.line + 1
            if name in seen:
                text = f"{key.value!r} stands twice in one mapping, in lines {seen[name]} and {line}"
                raise yaml.MarkedYAMLError(problem=text)
            seen[name] = line
        return super().construct_mapping(node, deep)


for _kind, _pattern, _first in (
    ("bool", r"true|True|false|False", "tTfF"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+|[0-9]\.|(?<=[0-9])(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_yaml(text: str) -> object:
    """Read YAML; ValueError with one line on what is wrong."""
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
