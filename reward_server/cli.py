"""The command line: serve | score | worker | check | presets.

What a script reads goes to standard output, what a person reads to standard error. Exit codes: 0 when all went well,
1 when something could not be scored or is not fit, 2 when the input or a setting is wrong, 3 when no server answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
import stat
import sys
import tomllib
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, TextIO

import typer
import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reward_server import __version__, logs, samples, worker_server
from reward_server.app import create_app
from reward_server.decoding import decode
from reward_server.errors import ApiError
from reward_server.models import Rollout, field_errors
from reward_server.presets import Preset, PresetFileError, Presets, UnknownPresetError
from reward_server.sandbox_metrics import WorkerMetrics
from reward_server.scoring_run import Server, ServerError, embedded_server, remote_server, score_rollouts
from reward_server.service import Service, docker_settings, local_settings
from reward_server.settings import SandboxSettings, Settings, SettingsError, load_settings, unknown_variables
from reward_server.tables import show_samples, show_summary
from sandbox.docker import DockerJudge, DockerSettings
from sandbox.host import Isolation, probe_host
from sandbox.local import LocalJudge
from sandbox.models import Health, SandboxUnavailableError
from sandbox.streams import Names
from sandbox.worker import WorkerSettings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
people = Console(stderr=True)
log = logging.getLogger(__name__)


class Exit(IntEnum):
    """What a script learns."""

    OK = 0
    UNSCORED = 1
    BAD_INPUT = 2
    NO_SERVER = 3


ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file of settings.", exists=True)]
PresetName = Annotated[str | None, typer.Option(help="The preset to score by.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Turn rollouts of a reasoning model into rewards."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any that is free.")] = None,
    preset: PresetName = None,
    config: ConfigFile = None,
) -> None:
    """Serve the HTTP API."""
    settings = _settings(config, host=host, port=port, preset=preset)
    logs.configure(settings.log_level)
    application = _application(settings)
    config_of_server = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # Work has ended by then; what may still be under way is the sending of answers.
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds) + 5,
    )
    for name in unknown_variables():
        log.warning("no such setting", extra={"variable": name})
    listening = listening_socket(config_of_server)
    _DrainingServer(config_of_server, application.state.service).run(sockets=[listening])


def listening_socket(config_of_server: uvicorn.Config) -> socket.socket:
    """Where a server listens. Raises typer.Exit when it cannot, having said why."""
    try:
        listening = config_of_server.bind_socket()
    except SystemExit:
        # Uvicorn has said why, and nothing has been started yet.
        raise typer.Exit(Exit.BAD_INPUT) from None
    # What it accepts inherits this. Else the body of an answer waits for the client to acknowledge the headers: 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


class _DrainingServer(uvicorn.Server):
    """Gives accepted work an answer before it ends: what it accepts, it does not drop."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self._service.drain)
        super().handle_exit(sig, frame)


@app.command()
def score(
    file: Annotated[Path | None, typer.Argument(help="Rollouts, a JSON object a line; - for standard input.")] = None,
    sample: Annotated[bool, typer.Option("--samples", help="Score the rollouts that ship with the package.")] = False,
    url: Annotated[str | None, typer.Option(help="A running server; without it one is started for this run.")] = None,
    token: Annotated[str | None, typer.Option(envvar="REWARD_TOKEN", help="Bearer token of that server.")] = None,
    preset: PresetName = None,
    override: Annotated[
        list[str] | None, typer.Option(help="A switch of the preset, such as length.l_max=32768; repeatable.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Decides which tests are drawn.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where results go; else to stdout.")] = None,
    config: ConfigFile = None,
) -> None:
    """Score a file of rollouts: JSON lines out, then a table of means by component and verdict."""
    if sample == (file is not None):
        _refuse("name a file of rollouts, or --samples")
    rollouts = samples.load_samples() if sample else _read_rollouts(file or Path("-"))
    lines = _open_output(output, file) if output is not None else None if sample else sys.stdout
    request = {"preset": preset, "overrides": _overrides(override or []), "seed": seed}
    # A server of our own on loopback, for this run alone, asks nobody for a token.
    settings = _settings(config, api_tokens="")
    try:
        with remote_server(url, token) if url is not None else embedded_server(_application(settings)) as server:
            results = _scored(server, rollouts, request, lines)
    except ServerError as error:
        _complain(str(error))
        raise typer.Exit(Exit.BAD_INPUT if error.refused else Exit.NO_SERVER) from None
    if sample:
        as_expected = show_samples(people, results, samples.expected())
        raise typer.Exit(Exit.OK if as_expected else Exit.UNSCORED)
    show_summary(people, results)
    unscored = any(result["status"] == "unscored" for result in results)
    raise typer.Exit(Exit.UNSCORED if unscored else Exit.OK)


@app.command()
def worker(config: ConfigFile = None) -> None:
    """Judge programs for servers whose backend is redis."""
    settings = _settings(config)
    logs.configure(settings.log_level)
    sandbox = settings.sandbox
    try:
        listening = socket.create_server((sandbox.metrics_host, sandbox.metrics_port))
    except OSError as error:
        _refuse(f"SANDBOX_METRICS_PORT: {sandbox.metrics_host}:{sandbox.metrics_port}: {error}")
    try:
        uvloop.run(_work(settings, listening))
    except SandboxUnavailableError as error:
        _complain(str(error))
        raise typer.Exit(Exit.UNSCORED) from None
    finally:
        listening.close()


async def _work(settings: Settings, listening: socket.socket) -> None:
    sandbox = settings.sandbox
    # It claims no more jobs than it has workers: nobody would use a slot beside them.
    judge = LocalJudge(replace(local_settings(sandbox), express_seconds=0.0))
    await judge.start()
    told = WorkerSettings(
        url=sandbox.redis_url.get_secret_value(),
        names=Names(sandbox.queue, sandbox.queue_shards),
        slots=sandbox.workers,
        tier=judge.tier,
        lease_seconds=sandbox.lease_seconds,
        cache_seconds=sandbox.cache_seconds,
        drain_seconds=sandbox.drain_seconds,
    )
    try:
        await worker_server.run(judge, told, listening, WorkerMetrics())
    finally:
        await judge.close()


@app.command()
def check(config: ConfigFile = None) -> None:
    """Say whether this host is fit to sandbox, and what is missing if it is not."""
    sandbox = _settings(config).sandbox
    if sandbox.backend == "docker":
        _check_docker(sandbox)
    isolation = Isolation(sandbox.isolation, sandbox.scratch, sandbox.accept_lost)
    report = probe_host(sandbox.cache_dir, isolation)
    table = Table.grid(padding=(0, 2))
    for name, value in report.facts.items():
        table.add_row(name, value)
    verdict = "[green]fit[/green]" if report.fit else "[red]not fit[/red]"
    people.print(f"This host is {verdict} to run untrusted programs: {report.tier}.", highlight=False)
    for sentence in report.missing:
        people.print(f"- {sentence}", highlight=False, markup=False)
    people.print(table)
    raise typer.Exit(Exit.OK if report.fit else Exit.UNSCORED)


def _check_docker(sandbox: SandboxSettings) -> NoReturn:
    """Start one container and end it. What counts is dockerd and its image, not what this host has."""
    health = asyncio.run(_docker_health(docker_settings(sandbox)))
    verdict = "[green]fit[/green]" if health.ready else "[red]not fit[/red]"
    people.print(f"Docker is {verdict} to run untrusted programs: {health.detail}.", highlight=False)
    raise typer.Exit(Exit.OK if health.ready else Exit.UNSCORED)


async def _docker_health(settings: DockerSettings) -> Health:
    judge = DockerJudge(replace(settings, workers=1))
    try:
        await judge.start()
        return judge.health()
    except SandboxUnavailableError as error:
        return Health(False, str(error))
    finally:
        await judge.close()


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Show one preset whole.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Show the JSON schema of presets.")] = False,
    config: ConfigFile = None,
) -> None:
    """List the presets with their hashes, or show one as JSON."""
    try:
        known = Presets(_settings(config).presets_dir)
    except PresetFileError as error:
        _refuse(str(error))
    if schema:
        typer.echo(json.dumps(Preset.model_json_schema(), indent=2))
    elif name is None:
        table = Table("preset", "hash", "what it is")
        for preset in known:
            table.add_row(escape(preset.name), preset.hash[:19] + "…", escape(preset.description))
        Console().print(table)
    else:
        found = [preset for preset in known if preset.name == name]
        if not found:
            _refuse(f"no preset is called {name!r}")
        typer.echo(found[0].model_dump_json(indent=2))


def _settings(config: Path | None, **flags: Any) -> Settings:
    try:
        return load_settings(config, flags)
    except ValidationError as error:
        _refuse("; ".join(f"{fault.loc}: {fault.message}" for fault in field_errors(error)))
    except (OSError, SettingsError, tomllib.TOMLDecodeError) as error:
        _refuse(f"settings: {error}")


def _application(settings: Settings) -> FastAPI:
    """Build the application; a preset that is not there, or not right, is a wrong setting."""
    try:
        return create_app(settings)
    except (UnknownPresetError, PresetFileError) as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    _complain(message)
    raise typer.Exit(Exit.BAD_INPUT)


def _complain(message: str) -> None:
    # As it is: brackets in it are a path's or a field's, not ours.
    people.print(message, style="red", highlight=False, markup=False)


def _read_rollouts(file: Path) -> list[dict[str, Any]]:
    """Read and check every line before anything is scored, so that a slip in the last one costs no hour."""
    try:
        text = (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        _refuse(f"{file}: {error}")
    rollouts: list[dict[str, Any]] = []
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            # As the server will read it, so that what is refused is refused before anything is scored.
            decode(line.encode(), Rollout)
            rollout = json.loads(line)
            rollouts.append(rollout | {"id": str(len(rollouts))} if rollout.get("id") is None else rollout)
        except ApiError as error:
            faults += [f"{file}:{number}: {_of_line(fault.loc)}: {fault.message}" for fault in error.errors]
    if faults:
        _refuse("\n".join(faults[:20]))
    if not rollouts:
        _refuse(f"{file}: holds no rollouts")
    return rollouts


def _of_line(loc: str) -> str:
    return "rollout" if loc == "body" else loc


def _overrides(pairs: list[str]) -> dict[str, Any]:
    """Turn `length.l_max=32768` into a table; a value is JSON where it can be, else text."""
    overrides: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals:
            _refuse(f"--override {pair}: write it as section.switch=value")
        *tables, switch = path.split(".")
        place = overrides
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                _refuse(f"--override {pair}: {table} is given a value elsewhere")
        value = _value(pair, text)
        before = place.get(switch)
        if switch in place and isinstance(before, dict) != isinstance(value, dict):
            _refuse(f"--override {pair}: {switch} is given a value elsewhere")
        place[switch] = before | value if isinstance(before, dict) else value
    return overrides


def _value(pair: str, text: str) -> Any:
    def refuse(number: str) -> NoReturn:
        _refuse(f"--override {pair}: {number} is no value")

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError:
        return text


def _scored(
    server: Server, rollouts: list[dict[str, Any]], request: dict[str, Any], lines: TextIO | None
) -> list[dict[str, Any]]:
    """Score with a bar, and write each batch of results as it is there: what is scored is not lost again."""
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results: list[dict[str, Any]] = []
    with Progress(*columns, console=people, transient=True) as bar:
        task = bar.add_task("scoring", total=len(rollouts))
        for batch in score_rollouts(server, rollouts, request, on_result=lambda: bar.advance(task)):
            if lines is not None:
                _write(lines, batch, first=not results)
            results += batch
    return results


def _write(lines: TextIO, batch: list[dict[str, Any]], *, first: bool) -> None:
    try:
        if first and lines is not sys.stdout and stat.S_ISREG(os.fstat(lines.fileno()).st_mode):
            lines.truncate(0)  # what an earlier run left is kept until there is something to replace it
        lines.writelines(json.dumps(result, ensure_ascii=False) + "\n" for result in batch)
        lines.flush()
    except OSError as error:
        # What is left in the buffer would fail once more when the interpreter ends, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), lines.fileno())
        _refuse(f"results cannot be written: {error}")


def _open_output(path: Path, source: Path | None) -> TextIO:
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        _refuse(f"--output: {path} is the file of rollouts")
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        _refuse(f"--output: {error}")
