"""Envoy's files of this release: where they are, and how they are written for a deployment."""

from __future__ import annotations

import re
from pathlib import Path

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.edge_choices import Choices

# A wheel has them all in one folder; a checkout has what is written by hand and what is generated.
_PACKAGED = Path(__file__).with_name("edge")
_CHECKOUT = Path(__file__).resolve().parents[2]

# What generated/ has for callers.
_FOR_CALLERS = "openapi"

_KINDS = {".binpb", ".lua", ".yaml"}

# How envoy.yaml names its neighbours, for an Envoy that is started in a checkout.
_NEIGHBOUR = re.compile(r"\b(?:envoy|generated)/(?=[\w?]+\.(?:binpb|lua)\b)")
_STARTED = "from the repository's root: envoy -c envoy/envoy.yaml"
_SECRETS = "/etc/loyalty/secrets"

# What needs no quotes, neither in YAML nor in Lua.
_PLAIN_PATH = re.compile(r"/[\w.+@/-]*", re.ASCII)


def edge_files() -> dict[str, Path]:
    """Return every file that Envoy may read, under its path beside envoy.yaml."""
    folders = (_PACKAGED,) if _PACKAGED.is_dir() else (_CHECKOUT / "envoy", _CHECKOUT / "generated")
    return {
        path.relative_to(folder).as_posix(): path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in _KINDS and path.parent.name != _FOR_CALLERS
    }


def write_edge_files(
    folder: Path, at: str, *, replace: bool, choices: Choices | None = None
) -> list[Path]:
    """
    Write Envoy's files of this release into a folder, which is made where it is missing.

    Args:
        folder: Where to write.
        at: The folder's path where Envoy will read it.
        replace: Whether files that are there and differ are written over.
        choices: What is changed of envoy.yaml.

    Returns:
        What was written.

    Raises:
        OperatorError: A file is there and differs, the path is not one that Envoy's files can
            name, or see `Choices.apply`.
    """
    if not _PLAIN_PATH.fullmatch(at):
        raise OperatorError(
            f"{at} must be an absolute path of letters, digits and . _ - + @ for use in Envoy's "
            "files: name another with --at."
        )
    contents = {
        folder / name: _moved(path.read_bytes(), path.suffix, at.rstrip("/"))
        for name, path in edge_files().items()
    }
    config = folder / "envoy.yaml"
    parts = {name: contents[folder / name].decode() for name in ("tls.yaml", "dns.yaml")}
    contents[config] = (choices or Choices()).apply(contents[config].decode(), parts).encode()
    other = [
        path
        for path, content in contents.items()
        if path.exists() and path.read_bytes() != content and not replace
    ]
    if other:
        raise OperatorError(
            f"{', '.join(map(str, other))}: exists already and differs. Nothing was written: name "
            "another folder, or use --force to replace it."
        )
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(contents)


def _moved(content: bytes, kind: str, at: str) -> bytes:
    """Put the folder's path into a file that names its neighbours."""
    if kind != ".yaml":
        return content
    text = content.decode().replace(_SECRETS, f"{at}/secrets")
    text = text.replace(_STARTED, f"from any folder: envoy -c {at}/envoy.yaml")
    return _NEIGHBOUR.sub(f"{at}/", text).encode()
