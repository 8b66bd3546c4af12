"""YAML without its surprises: no key twice, and plain words mean what they look like (YAML 1.2)."""

import re

import yaml

KINDS = {  # of plain words; all others are text
    "bool": "true|True|false|False",
    "null": "null|~|",
    "int": "[-+]?(0|[1-9][0-9]*)",
    "float": r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?",
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                raise ValueError(f"{name!r} stands twice in one mapping, in lines {lines[name]} and {line}")
            lines[name] = line
        return super().construct_mapping(node, deep)


for _kind, _pattern in KINDS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), None)


def read_yaml(text: str, name: str = "text") -> object:
    """Read YAML; ValueError with one line on what is wrong with the text of this `name`."""
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{name} must be YAML, got {reason}. Check quotes and colons.") from error
