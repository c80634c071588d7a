"""The way into Redis: what `REDIS_URL` may say, and what is said when Redis does not let us in.

Nothing that is said here holds the password, or an argument of a command.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

import redis.asyncio as redis
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, AuthenticationError, MovedError, NoPermissionError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

CONNECT_SECONDS: Final = 10.0
_FORM: Final = "redis[s]://[user:password@]host[:port][/db], with %-escapes in the password, or unix:///path"
_OPTIONS: Final = {"db", "client_name"}  # and ssl_…; how we speak to Redis is ours to say


def check_url(url: str) -> None:
    """Raise ValueError, with what is wrong, for a URL that leads nowhere, and for files of TLS that cannot be read."""
    parts = _parts(url)
    options = parse_qs(parts.query, keep_blank_values=True).keys() - _OPTIONS
    if not all(option.startswith("ssl_") for option in options):
        raise ValueError(f"takes the options ssl_… and {', '.join(sorted(_OPTIONS))}, and no other")
    if options and parts.scheme != "rediss":
        raise ValueError(f"{min(options)} needs rediss://")
    try:
        connection = redis.ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except TypeError as error:
        raise ValueError(str(error).rpartition("() ")[2]) from None
    except RedisError as error:
        raise ValueError(str(error)) from None
    if isinstance(connection, SSLConnection):
        _check_tls(connection)


def client(url: str, *, max_connections: int) -> redis.Redis:
    """Connections to Redis, none of which is opened yet."""
    # Attempts are ours to make: only we know which commands may be sent twice, and for how long it is worth it. So is
    # waiting for answers.
    return redis.Redis.from_url(
        url,
        max_connections=max_connections,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
        protocol=2,
    )


def place(client: redis.Redis) -> str:
    """Where that is, without the way in."""
    told = client.connection_pool.connection_kwargs
    return str(told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}")


def reason(error: BaseException) -> str:
    """What an error says; Redis repeats the arguments of a command that it does not know, AUTH for one."""
    return str(error).partition(", with args beginning with")[0] or type(error).__name__


def trouble(place: str, error: BaseException) -> str:
    """One sentence for whoever set `REDIS_URL`."""
    if isinstance(error.__cause__, AuthenticationError):
        error = error.__cause__  # over a socket of this machine, redis-py makes a lost connection of it
    match error:
        case AuthenticationError():
            return f"Redis at {place} does not take the user and password of REDIS_URL: {reason(error)}"
        case NoPermissionError():
            return f"Redis at {place} allows the user of REDIS_URL too little: {reason(error)}"
        case ReadOnlyError():
            return f"Redis at {place} is a read-only replica; REDIS_URL must lead to its primary"
        case MovedError() | AskError():
            return f"Redis at {place} is one of several nodes of a cluster, and the others hold some of our keys"
        case RedisConnectionError() | RedisTimeoutError() | OSError():
            return f"Redis at {place} cannot be reached: {reason(error)}"
    return f"Redis at {place} refuses: {reason(error)}"


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is none
    except ValueError:
        # It would say what it stumbled over: that may be a part of the password.
        raise ValueError(f"not of the form {_FORM}") from None
    leads_somewhere = {
        "redis": bool(parts.hostname) and re.fullmatch(r"/?\d*", parts.path),
        "rediss": bool(parts.hostname) and re.fullmatch(r"/?\d*", parts.path),
        "unix": parts.path,
    }
    if parts.fragment or not leads_somewhere.get(parts.scheme):
        raise ValueError(f"not of the form {_FORM}")
    return parts


def _check_tls(connection: Any) -> None:
    """Read what TLS needs, each file by itself: OpenSSL does not say which one it could not."""
    tls = connection.ssl_context
    if tls.keyfile and not tls.certfile:
        raise ValueError("ssl_keyfile needs ssl_certfile")
    files = {"ssl_ca_certs": tls.ca_certs, "ssl_certfile": tls.certfile, "ssl_keyfile": tls.keyfile}
    for option, path in files.items():
        try:
            if path:
                Path(path).read_bytes()
            if path and path == tls.ca_certs:
                ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ValueError(f"{option}: {path}: {error.strerror or error}") from None
    try:
        tls.get()
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"TLS: {error}") from None
