"""The publish connection of a participant: offers, answers, ICE restarts, publications."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from sfukit.server.core import Core, TransportOwner, to_ice_credentials
from sfukit.server.engine import first_error, refusal_of
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    DataParameters,
    OpenTransport,
    Remote,
    RestartIce,
    SetData,
    SetMuted,
    Unpublish,
)
from sfukit.server.publication import Publication
from sfukit.signaling import sdp
from sfukit.signaling.publish_answer import (
    PublishAnswer,
    Published,
    PublishRules,
    answer_publisher,
)
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.transport import (
    Credentials,
    LocalTransport,
    RemoteParameters,
    remote_of_offer,
)

SourceOf = Callable[[Published, Publication | None], str]
NewPublication = Callable[[Published, str], Publication]


class Change(NamedTuple):
    """The answer to an offer, and the publications that it added and removed."""

    answer: str
    version: int
    added: list[Publication]
    removed: list[Publication]


class _Plan(NamedTuple):
    """The changes of an offer; ``is_new_transport``: it has another DTLS fingerprint."""

    answer: PublishAnswer
    local: LocalTransport
    is_new_transport: bool
    restart: bool
    kept: list[Publication]
    added: list[Publication]
    removed: list[Publication]


class PublishConnection:
    """One publish connection; the first offer opens its transport.

    ``data`` is what its data channels may do, once an offer has them.
    """

    def __init__(
        self, core: Core, room: int, worker: int, owner: TransportOwner, data: DataParameters
    ) -> None:
        self._core = core
        self._room = room
        self._worker = worker
        self._owner = owner
        self._data = data
        self._has_data = False
        self.version = 0
        self.transport: int | None = None
        self.publications: dict[int, Publication] = {}
        self._extensions: dict[str, int] = {}
        self._local: Credentials | None = None
        self._remote: RemoteParameters | None = None

    async def offer(
        self,
        offer: sdp.Session,
        version: int | None,
        rules: PublishRules,
        source_of: SourceOf,
        new_publication: NewPublication,
    ) -> Change:
        """Apply an offer in the engine, then return the answer; on ``Refusal`` nothing changed.

        ``source_of`` returns the source of a track, and raises ``Refusal`` if it is not allowed.
        """
        if version is not None and version <= self.version:
            raise Refusal(
                "stale_offer",
                f"the version {version} is not above {self.version}, that of the last offer",
            )
        next_version = version if version is not None else self.version + 1
        plan = self._plan(offer, rules, next_version, source_of, new_publication)
        await self._execute(plan)
        self.version = next_version
        return Change(plan.answer.sdp, next_version, plan.added, plan.removed)

    async def restart(self, remote: Credentials) -> LocalTransport:
        """Restart ICE with new remote credentials; return the local parameters (RFC 8445, 2.4)."""
        if self.transport is None or self._remote is None:
            raise Refusal("session_unknown", "the session has no transport")
        local = self._core.local_transport(self._worker, self._owner.local_address)
        renewed = self._remote.with_credentials(remote)
        await run_commands(self._core, self._worker, [self._restart_command(local, renewed)])
        self._local, self._remote = local.credentials, renewed
        return local

    def close(self) -> list[Publication]:
        """Close the transport; return its publications."""
        ended, transport = list(self.publications.values()), self.transport
        self.publications = {}
        self.transport = self._remote = self._local = None
        for publication in ended:
            self._core.publications.pop(publication.number, None)
        if transport is not None:
            self._core.transports.pop(transport, None)
            closing = CloseTransport(transport=transport)
            self._core.engine.send(self._worker, [closing])
        return ended

    def _plan(
        self,
        offer: sdp.Session,
        rules: PublishRules,
        version: int,
        source_of: SourceOf,
        new: NewPublication,
    ) -> _Plan:
        current = self._remote
        remote = remote_of_offer(offer, current)
        is_new_transport = current is None or current.fingerprints != remote.fingerprints
        restart = not is_new_transport and current is not None and current.ufrag != remote.ufrag
        credentials = None if is_new_transport or restart else self._local
        local = self._core.local_transport(self._worker, self._owner.local_address, credentials)
        in_use = {} if is_new_transport else self._extensions
        answer = answer_publisher(offer, local, rules, version, current, in_use=in_use)
        kept, added = [], []
        by_mid = {entry.track.mid: entry for entry in self.publications.values()}
        for track in answer.tracks:
            earlier = by_mid.get(track.mid)
            source = source_of(track, earlier)
            if (
                earlier
                and not is_new_transport
                and earlier.source == source
                and earlier.is_same_stream(track)
            ):
                kept.append(earlier)
            else:
                added.append(new(track, source))
        removed = [entry for entry in self.publications.values() if entry not in kept]
        return _Plan(answer, local, is_new_transport, restart, kept, added, removed)

    async def _execute(self, plan: _Plan) -> None:
        transport = self.transport
        if plan.is_new_transport or transport is None:
            transport = self._core.ids.transport()
        commands = self._transport_commands(plan, transport)
        commands += self._data_commands(plan, transport)
        commands += [entry.publish_command(transport) for entry in plan.added]
        muted = [entry.number for entry in plan.added if entry.muted]
        commands += [SetMuted(publication=number, muted=True) for number in muted]
        self._core.transports[transport] = self._owner
        if not plan.is_new_transport:  # the engine keeps extension ids also after an error
            self._extensions = plan.answer.extensions
        try:
            if commands:
                await run_commands(self._core, self._worker, commands)
        except BaseException:  # also when cancelled
            self._roll_back(plan, transport)
            raise
        if plan.is_new_transport and self.transport is not None:
            self._core.transports.pop(self.transport, None)
            close = CloseTransport(transport=self.transport)
            self._core.engine.send(self._worker, [close])
        self._commit(plan, transport)

    def _transport_commands(self, plan: _Plan, transport: int) -> list[Command]:
        if plan.is_new_transport:
            return [
                OpenTransport(
                    room=self._room,
                    transport=transport,
                    local=to_ice_credentials(plan.local.credentials),
                    remote=remote_of(plan.answer.remote),
                )
            ]
        commands: list[Command] = [Unpublish(publication=entry.number) for entry in plan.removed]
        if plan.restart:
            commands.append(self._restart_command(plan.local, plan.answer.remote))
        return commands

    def _data_commands(self, plan: _Plan, transport: int) -> list[Command]:
        """Return the command that begins or ends the data channels of a transport, if any."""
        wanted = plan.answer.data_message_bytes is not None
        if wanted == (self._has_data and not plan.is_new_transport):
            return []
        data = msgspec.structs.replace(
            self._data,
            negotiated=wanted,
            send=self._data.send and wanted,
            max_message_bytes=plan.answer.data_message_bytes or 0,
        )
        return [SetData(transport=transport, data=data)]

    def _restart_command(self, local: LocalTransport, remote: RemoteParameters) -> RestartIce:
        assert self.transport is not None
        return RestartIce(
            transport=self.transport,
            local=to_ice_credentials(local.credentials),
            remote=remote_of(remote),
        )

    def _commit(self, plan: _Plan, transport: int) -> None:
        self.transport = transport
        self._local = plan.local.credentials
        self._remote = plan.answer.remote
        self._extensions = plan.answer.extensions
        self._has_data = plan.answer.data_message_bytes is not None
        for entry in plan.removed:
            self._core.publications.pop(entry.number, None)
        self.publications = {entry.number: entry for entry in (*plan.kept, *plan.added)}
        for entry in plan.added:
            self._core.publications[entry.number] = entry

    def _roll_back(self, plan: _Plan, transport: int) -> None:
        """Remove the transport or publications of a failed plan from the engine."""
        if plan.is_new_transport:
            self._core.transports.pop(transport, None)
            undone: list[Command] = [CloseTransport(transport=transport)]
        else:
            undone = [Unpublish(publication=entry.number) for entry in plan.added]
        self._core.engine.send(self._worker, undone)


def parse_description(text: str) -> sdp.Session:
    """Parse SDP; raise ``Refusal`` (sdp_malformed) with the line number."""
    try:
        return sdp.parse(text)
    except sdp.SdpError as error:
        raise Refusal("sdp_malformed", str(error), line=error.line) from None


def remote_of(remote: RemoteParameters) -> Remote:
    """Convert remote parameters to the message of the engine."""
    return Remote(remote.ufrag, remote.pwd, remote.fingerprints, remote.setup)


async def run_commands(core: Core, worker: int, commands: list[Command]) -> list[msgspec.Raw]:
    """Execute commands and return their results; raise ``Refusal`` if one failed."""
    outcomes = await core.engine.run(worker, commands)
    if error := first_error(outcomes):
        raise refusal_of(error)
    return [outcome.result for outcome in outcomes]
