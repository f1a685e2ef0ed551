"""Settings from their layers, the later over the earlier: shipped file, a file of the user's, environment, flags.

No section is defined here. Every mistake names the layer, the key and, where a key is
unknown, the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from config.settings import Section, Settings, SettingsValueError
from config.units import decode_unit, encode_unit

SHIPPED = Path(__file__).with_name("settings.json")
_PREFIX = "CALLBOARD__"
#: Words that must never be in a settings file: they come from the environment or from a file that holds nothing else.
_SECRETS = ("auth_token", "secret", "token", "password", "api_key")


class SettingsError(ValueError):
    """Settings that can't be used; says where, which key and why."""


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and for every key (`section.key`) the layer that set it."""

    settings: Settings
    sources: dict[str, str]


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] | None = None, flags: Sequence[str] = ()
) -> Loaded:
    """The settings in force. `flags` are 'section.key=value'. Raises SettingsError.

    A file ends in .toml or .json. From the environment come `CALLBOARD__SECTION__KEY` variables.
    """
    values: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    layers = [(str(SHIPPED.name), _from_file(SHIPPED), True)]
    if file is not None:
        layers.append((str(file), _from_file(file), True))
    layers.append(("environment", _from_environment(environment or {}), False))
    layers.append(("flag", _from_flags(flags), False))
    for name, layer, strict in layers:
        for section, key, value in _entries(name, layer):
            values.setdefault(section, {})[key] = _converted(name, section, key, value, strict)
            sources[f"{section}.{key}"] = "shipped" if name == SHIPPED.name else name
    built: dict[str, Any] = {name: kind(**values[name]) for name, kind in sections().items()}
    settings = Settings(**built)
    try:
        settings.check()
    except SettingsValueError as error:
        changed = ", ".join(dict.fromkeys(source for source in sources.values() if source != "shipped")) or "shipped"
        raise SettingsError(f"{changed}: {error}") from None
    return Loaded(settings, sources)


def sections() -> dict[str, type[Section]]:
    """Every section's type by its name, in the order of the file."""
    return get_type_hints(Settings)


def fields_of(section: type[Section]) -> dict[str, Any]:
    """Every key of a section with its annotated type."""
    return get_type_hints(section, include_extras=True)


def dump(settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings as plain values, as a JSON file holds them."""
    return msgspec.to_builtins(settings, enc_hook=encode_unit)


# --- layers -----------------------------------------------------------------------------------------------------


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    try:
        if path.suffix == ".toml":
            found: object = tomllib.loads(text.decode())
        elif path.suffix == ".json":
            found = json.loads(text)
        else:
            raise SettingsError(f"{path}: {path.suffix or 'no'} ending; settings are read from .toml and .json")
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: holds a {type(found).__name__}, not sections with keys")
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    layer: dict[str, dict[str, Any]] = {}
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            section, separator, key = name.removeprefix(_PREFIX).lower().partition("__")
            if not separator:
                raise SettingsError(f"environment: {name} is not like {_PREFIX}RISK__DAILY_LOSS")
            layer.setdefault(section, {})[key] = value
    return layer


def _from_flags(flags: Sequence[str]) -> dict[str, dict[str, Any]]:
    layer: dict[str, dict[str, Any]] = {}
    for flag in flags:
        path, separator, value = flag.partition("=")
        section, dot, key = path.strip().partition(".")
        if not separator or not dot:
            raise SettingsError(f"flag: {flag!r} is not like risk.daily_loss=2%")
        layer.setdefault(section, {})[key] = value.strip()
    return layer


def _entries(name: str, layer: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Each key of a layer, checked to be one that exists."""
    known = sections()
    for section, keys in layer.items():
        if section not in known:
            raise SettingsError(f"{name}: no section {section!r}{_nearest(section, known)}")
        if not isinstance(keys, dict):
            raise SettingsError(f"{name}: {section} is a {type(keys).__name__}, not a section with keys")
        fields = fields_of(known[section])
        for key, value in keys.items():
            if key in fields:
                yield section, key, value
            elif key in _SECRETS:
                raise SettingsError(
                    f"{name}: {section}.{key} is a secret, which settings never hold: it comes from the environment "
                    f"or from the file that {section}.{key}_file names"
                )
            else:
                paths = {f"{other}.{each}": None for other, kind in known.items() for each in fields_of(kind)}
                near = _nearest(key, fields, f"{section}.") or _nearest(f"{section}.{key}", paths)
                raise SettingsError(f"{name}: no key {section}.{key}{near}")


def _nearest(word: str, known: Mapping[str, Any], prefix: str = "") -> str:
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {prefix}{found[0]}" if found else ""


def _converted(name: str, section: str, key: str, value: Any, strict: bool) -> Any:
    kind = fields_of(sections()[section])[key]
    if not strict and isinstance(value, str) and value[:1] in "[{":
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise SettingsError(f"{name}: {section}.{key}: {error}") from None
    try:
        return msgspec.convert(value, kind, strict=strict, dec_hook=decode_unit)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"{name}: {section}.{key} = {json.dumps(value)}: {error}") from None
