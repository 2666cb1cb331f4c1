"""Who may use the page and the interface: addresses, names of hosts, tokens, roles and sessions."""

import hashlib
import hmac
import ipaddress
import secrets
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from itsdangerous import BadSignature, URLSafeTimedSerializer

from sr4k.errors import OptionError
from sr4k.service.endpoint import parse_address

Role = Literal["view", "operate"]
"""``view``: may look. ``operate``: may change things too."""

TOKEN, VIEW_TOKEN = "SR4K_TOKEN", "SR4K_VIEW_TOKEN"
"""Environment variables that hold the token of each role."""

SESSION_SECONDS = 7 * 24 * 3600
"""How long a login lasts."""

_SHORTEST = 16
"""Minimum length of a token in characters: one that nobody guesses within the limits of logins."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may use a service.

    Attributes:
        host: the address that it listens on; empty: all.
        port: its port.
        tokens: the token of each role. Without any, everybody who reaches the service operates it, which is allowed on
            loopback alone, and not with further ``names``: a proxy lets others in.
        names: further names of hosts by which it may be called, such as that of a proxy; in lower case.

    Raises:
        OptionError: it could be reached from elsewhere without a token, or a token is too short.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    tokens: Mapping[Role, str] = field(default_factory=dict, repr=False)
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check them; for what it raises see the class."""
        if "operate" not in self.tokens and (self.tokens or self.names or not self.is_loopback):
            where = "" if self.is_loopback else f" on {self.host or 'all addresses'}"
            by_name = f" to be reached as {min(self.names)}" if self.names and self.is_loopback else ""
            raise OptionError(
                f"Listening{where}{by_name} needs a token to operate the service: put one of at least {_SHORTEST} "
                f"characters into the environment as {TOKEN}, or into a file for --token-file. "
                f"`python3 -c 'import secrets; print(secrets.token_urlsafe())'` makes one."
            )
        if any(len(token) < _SHORTEST for token in self.tokens.values()):
            raise OptionError(f"A token is too short: use at least {_SHORTEST} characters.")
        if len(set(self.tokens.values())) < len(self.tokens):
            raise OptionError(f"{TOKEN} and {VIEW_TOKEN} are equal: whoever may only look would operate the service.")

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can reach it."""
        return is_loopback(self.host)

    def is_own_name(self, host: str) -> bool:
        """Whether a ``Host`` header names this service: a page elsewhere may have a name that leads here.

        Addresses can't be made to lead elsewhere, so they are all accepted where the service listens on others than
        loopback.
        """
        name = _without_port(host).lower()
        if name in self.names or name == "localhost" or (name and name == self.host.lower()):
            return True
        if self.is_loopback:
            return is_loopback(name)
        return _is_address(name) or name == socket.gethostname().lower()

    def role_of(self, token: str) -> Role | None:
        """Return the role that a token gives. The time it takes tells nothing about the tokens."""
        given = token.encode(errors="surrogateescape")
        same = [role for role, own in self.tokens.items() if hmac.compare_digest(given, own.encode())]
        return same[0] if same else None


def access_of(
    listen: str,
    environment: Mapping[str, str],
    *,
    token_file: Path | None = None,
    names: tuple[str, ...] = (),
) -> Access:
    """Return who may use a service that listens on ``listen``, such as ``127.0.0.1:8484``.

    Args:
        environment: may hold `TOKEN` and `VIEW_TOKEN`.
        token_file: a file with the token to operate it, in place of the environment's; in a second line, the token
            to view.
        names: further names of hosts by which it may be called.

    Raises:
        OptionError: the address has another form, the file can't be read or may be read by others, or as for `Access`.
    """
    host, port = parse_address(listen)
    found = [environment.get(TOKEN, ""), environment.get(VIEW_TOKEN, "")]
    if token_file is not None:
        found = [*_tokens_in(token_file), ""][:2]
    roles: tuple[Role, Role] = ("operate", "view")
    tokens: dict[Role, str] = {role: token for role, token in zip(roles, found, strict=True) if token}
    return Access(host=host, port=port, tokens=tokens, names=frozenset(name.lower() for name in names))


class Sessions:
    """Cookies that say who has given a token. They outlive the process, and end when the token changes."""

    def __init__(self, access: Access) -> None:
        self._signers = {role: _signer(token) for role, token in access.tokens.items()}

    def begin(self, role: Role) -> str:
        """Return the value of a new session's cookie."""
        return self._signers[role].dumps([role, secrets.token_hex(8)])

    def role_of(self, cookie: str) -> Role | None:
        """Return the role of a cookie's session; ``None``: it is over, or not from here."""
        for role, signer in self._signers.items():
            try:
                if signer.loads(cookie, max_age=SESSION_SECONDS)[0] == role:
                    return role
            except (BadSignature, LookupError, TypeError):
                continue
        return None


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _signer(token: str) -> URLSafeTimedSerializer:
    # A cookie that leaked is no quick way to try tokens.
    key = hashlib.scrypt(token.encode(), salt=b"sr4k session", n=2**14, r=8, p=1)
    return URLSafeTimedSerializer(key, signer_kwargs={"digest_method": hashlib.sha256})


def _tokens_in(file: Path) -> list[str]:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise OptionError(f"{file} may be read by other users: run `chmod 600 {file}`.")
        found = file.read_text().split()
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, "strerror", None) or "it is no text"
        raise OptionError(f"Can't read the token in {file}: {reason}.") from err
    if not found:
        raise OptionError(f"{file} holds no token.")
    return found
