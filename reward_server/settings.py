"""What an operator can set, read once at start: environment, then a TOML file, then flags; later wins.

`REWARD_*` are the service's, `SANDBOX_*` the sandbox's. In the file, the service's
settings stand at the top level and the sandbox's in the table `[sandbox]`, both in lower case and without the prefix.
Only `__main__` and `create_app` read this; everything else is handed what it needs.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from sandbox.local import default_cache_dir

MIB = 1024 * 1024


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


class SettingsError(Exception):
    """A setting that contradicts itself, or names something that is not there."""


class _Settings(BaseSettings):
    """Flags and file arrive as arguments, which come before the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out .env files and secret directories: what is set must be seen."""
        return init_settings, env_settings


class SandboxSettings(_Settings):
    """Where and how untrusted programs run (`SANDBOX_*`)."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="forbid", frozen=True)

    backend: Literal["local", "off"] = Field("local", description="`off` leaves code tasks unscored.")
    workers: Annotated[int, Field(ge=1)] = Field(default_factory=cores, description="Programs that run at once.")
    max_waiting: Annotated[int, Field(ge=1)] = Field(65_536, description="Jobs that may wait for a worker.")
    cache_dir: Path = Field(default_factory=default_cache_dir, description="Precompiled headers and binaries.")


class Settings(_Settings):
    """The service (`REWARD_*`)."""

    model_config = SettingsConfigDict(env_prefix="REWARD_", extra="forbid", frozen=True, populate_by_name=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    preset: str = Field("magistral", description="The preset of a request that names none.")
    presets_dir: Path | None = Field(None, description="A directory of further presets, one TOML file each.")
    api_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Comma-separated bearer tokens; authentication is on when there are any."
    )
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(32 * MIB, description="Of a request, after decompression.")
    max_rollouts: Annotated[int, Field(ge=1)] = Field(8192, description="Rollouts in one request.")
    max_in_flight: Annotated[int, Field(ge=1)] = Field(32_768, description="Rollouts in work; beyond it 503.")
    read_seconds: Annotated[float, Field(gt=0)] = Field(120.0, description="For the body of a request; then 408.")
    deadline_seconds: Annotated[float, Field(gt=0)] = Field(900.0, description="Of one request.")
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        20.0, description="For work under way when the server is told to end; what is not done by then is unscored."
    )
    math_workers: Annotated[int, Field(ge=1)] = Field(default_factory=cores, description="Processes for SymPy.")
    math_memory_mb: Annotated[int, Field(ge=128)] = Field(1024, description="Of each of them.")
    language_model: Path | None = Field(None, description="lid.176.bin, if not the lid.176.ftz that ships.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sandbox: SandboxSettings = Field(default_factory=lambda: SandboxSettings())

    def __init__(self, **values: Any) -> None:
        tokens = values.get("api_tokens", os.environ.get("REWARD_API_TOKENS"))
        if isinstance(tokens, str):
            values["api_tokens"] = tuple(token.strip() for token in tokens.split(",") if token.strip())
            if tokens and not values["api_tokens"]:
                # Whoever sets it means to be asked for a token; serving without one would be a silent surprise.
                raise SettingsError("REWARD_API_TOKENS is set but holds no token")
        super().__init__(**values)


def load_settings(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings; `file` defaults to what REWARD_CONFIG names.

    Raises:
        ValidationError: a setting is unknown in the file, or has a value that it cannot have.
        SettingsError: a setting contradicts itself.
        OSError, TOMLDecodeError: the file cannot be read.
    """
    named = os.environ.get("REWARD_CONFIG")
    path = file if file is not None else Path(named) if named else None
    values: dict[str, Any] = tomllib.loads(path.read_text("utf-8")) if path is not None else {}
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    sandbox = SandboxSettings(**values.pop("sandbox", {}))
    settings = Settings(**values, sandbox=sandbox)
    if settings.presets_dir is not None and not settings.presets_dir.is_dir():
        raise SettingsError(f"REWARD_PRESETS_DIR: {settings.presets_dir} is no directory")
    return settings
