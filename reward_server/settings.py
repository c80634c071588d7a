"""What an operator can set, read once at start: environment, then a TOML file, then flags; later wins.

`REWARD_*` are the service's, `SANDBOX_*` the sandbox's. In the file, the service's
settings stand at the top level and the sandbox's in the table `[sandbox]`, both in lower case and without the prefix.
Only `__main__` and `create_app` read this; everything else is handed what it needs.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from sandbox.local import default_cache_dir
from sandbox.redis_access import check_url

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
    """Where and how untrusted programs run (`SANDBOX_*`, and `REDIS_URL` as everybody calls it)."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="forbid", frozen=True, hide_input_in_errors=True)

    backend: Literal["local", "docker", "redis", "off"] = Field("local", description="`off` leaves code unscored.")
    workers: Annotated[int, Field(ge=1)] = Field(default_factory=cores, description="Programs that run at once.")
    express_seconds: Annotated[float, Field(ge=0)] = Field(
        0.05,
        description="How long one that runs is paused for a newcomer behind slow tests; 0: never.",
    )
    max_waiting: Annotated[int, Field(ge=1)] = Field(65_536, description="Jobs that may wait for a worker.")
    cache_dir: Path = Field(default_factory=default_cache_dir, description="Precompiled headers and binaries.")
    remembered_results: Annotated[int, Field(ge=0)] = Field(1024, description="Verdicts remembered in the process.")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="Where the queue is, with password and TLS options as redis-py reads them.",
    )
    queue: str = Field("reward-sandbox", pattern=r"^[\w.:-]{1,64}$", description="Prefix of all keys in Redis.")
    queue_shards: Annotated[int, Field(ge=1, le=1024)] = Field(1, description="Streams that jobs are spread over.")
    queue_max_jobs: Annotated[int, Field(ge=1)] = Field(100_000, description="In one stream; beyond it queue_full.")
    lease_seconds: Annotated[float, Field(ge=1)] = Field(15.0, description="How long a silent worker keeps a job.")
    cache_seconds: Annotated[int, Field(ge=0)] = Field(86_400, description="Verdicts are kept in Redis; 0: not at all.")
    drain_seconds: Annotated[float, Field(ge=0)] = Field(30.0, description="A worker's grace on SIGTERM.")
    docker_image: str = Field("reward-sandbox:local", description="Of the containers that programs run in.")
    docker_runtime: str = Field("", description="As dockerd knows it, `runsc` or `kata`; empty for its default.")
    docker_seccomp: Annotated[Path | None, BeforeValidator(lambda text: text or None)] = Field(
        None, description="A profile that allows namespaces; empty: Docker's default."
    )
    docker_memory_mb: Annotated[int, Field(ge=1536)] = Field(2048, description="Of one container.")
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(9100, description="Of a worker's metrics and health.")
    isolation: Literal["auto", "bubblewrap", "landlock"] = Field(
        "auto", description="What holds programs; `auto` takes the first of the two that this host allows."
    )
    scratch: Path | None = Field(
        None, description="Without namespaces: where programs write. With one worker it is all theirs: `/tmp`, say."
    )
    accept_lost: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated: what may be lost where there is no Landlock either. `check` says what is."
    )

    @field_validator("redis_url")
    @classmethod
    def _leads_to_redis(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value

    @field_validator("accept_lost", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


class Settings(_Settings):
    """The service (`REWARD_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="REWARD_", extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

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
            if not tokens.isascii():
                raise SettingsError("REWARD_API_TOKENS: a token is ASCII, or no header could carry it")
        super().__init__(**values)


# What Kubernetes writes into the environment of a pod for each service (`enableServiceLinks`).
_OF_KUBERNETES = re.compile("_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT$|_PORT_[0-9]+_(TCP|UDP|SCTP)")


def unknown_variables() -> list[str]:
    """Name the environment variables that look like settings of ours and are none.

    Not refused: Kubernetes sets REWARD_SERVER_PORT and its like for a service of that name, and means nothing by it.
    """
    known = {f"REWARD_{name.upper()}" for name in Settings.model_fields} | {"REWARD_CONFIG", "REWARD_TOKEN"}
    known |= {f"SANDBOX_{name.upper()}" for name in SandboxSettings.model_fields}
    found = [name for name in os.environ if name.startswith(("REWARD_", "SANDBOX_")) and name not in known]
    return sorted(name for name in found if not _OF_KUBERNETES.search(name))


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
