"""The options of clients behind a TURN server (``--relay-only``)."""

from collections.abc import Mapping
from typing import Annotated, Any

from sfukit import config
from sfukit.cli.option import option
from sfukit.errors import UsageError
from sfukit.loadgen.relay import RelayOptions
from sfukit.turn import uri
from sfukit.turn.credentials import Login

_RELAY = "Relay"
_ACCOUNT = ("turn_user", "turn_password", "turn_secret")

RelayOnly = Annotated[
    bool, option("--relay-only", panel=_RELAY, help="all media of the clients passes --turn")
]
Turn = Annotated[
    str | None,
    option(
        "--turn",
        panel=_RELAY,
        metavar="URI",
        help="turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]; "
        "--cacert and --insecure apply",
    ),
]
TurnUser = Annotated[str | None, option("--turn-user", panel=_RELAY, help="username")]
TurnPassword = Annotated[
    str | None,
    option("--turn-password", panel=_RELAY, metavar="TEXT|@FILE", help="password of --turn-user"),
]
TurnSecret = Annotated[
    str | None,
    option(
        "--turn-secret",
        panel=_RELAY,
        metavar="TEXT|@FILE",
        help="shared secret of the TURN REST API: each client has its own username",
    ),
]


def relay(values: Mapping[str, Any]) -> RelayOptions | None:
    """Return the TURN server; None without ``--relay-only``, also in a scenario file."""
    in_file = values.get("relayed_at")
    given, account = values.get("turn"), {name: values.get(name) for name in _ACCOUNT}
    named = [name for name, value in account.items() if value is not None]
    if not (values.get("relay_only") or in_file):
        if given is not None or named:
            name = "turn" if given is not None else named[0]
            raise UsageError(
                f"--{name.replace('_', '-')} without --relay-only: no client uses a TURN server",
                hint="give --relay-only too",
            )
        return None
    if given is None and in_file:
        raise UsageError(
            f"{in_file} = true: no TURN server",
            hint="give --turn and its account on the command line: files name no hosts, no secrets",
        )
    if given is None:
        raise UsageError(
            "--relay-only without a TURN server", hint="give --turn turn:HOST, as in turn-probe"
        )
    user, password, secret = account.values()
    if secret is not None and password is not None:
        raise UsageError(
            "--turn-secret and --turn-password exclude each other",
            hint="--turn-secret derives the password",
        )
    if secret is None and (user is None or password is None):
        raise UsageError(
            "--relay-only without an account: TURN servers allocate to known users alone",
            hint="give --turn-user and --turn-password, or --turn-secret",
        )
    return RelayOptions(
        uri=uri.parse(given),
        login=Login(
            user,
            config.secret(password, "--turn-password") if password else None,
            config.secret(secret, "--turn-secret") if secret else None,
        ),
    )
