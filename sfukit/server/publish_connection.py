"""The publish connection of a participant: each offer becomes commands and an answer."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from sfukit.server.core import Core, TransportOwner, to_ice_credentials
from sfukit.server.engine import first_error, refusal_of
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    OpenTransport,
    Remote,
    RestartIce,
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
    """What an offer led to."""

    answer: str
    version: int
    added: list[Publication]
    removed: list[Publication]


class _Plan(NamedTuple):
    """What an offer asks for; ``is_new_transport``: it comes from another connection than the one we have."""

    answer: PublishAnswer
    local: LocalTransport
    is_new_transport: bool
    restart: bool
    kept: list[Publication]
    added: list[Publication]
    removed: list[Publication]


class PublishConnection:
    """One publish connection; its transport comes with the first offer."""

    def __init__(self, core: Core, room: int, worker: int, owner: TransportOwner) -> None:
        self._core = core
        self._room = room
        self._worker = worker
        self._owner = owner
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
        """Answer an offer once the engine has done what it asks; on ``Refusal`` nothing changed.

        ``source_of`` is asked for the source of every track, and refuses what may not be published.
        """
        if version is not None and version <= self.version:
            raise Refusal("stale_offer", f"offer {version} comes after offer {self.version}")
        next_version = version if version is not None else self.version + 1
        plan = self._plan(offer, rules, next_version, source_of, new_publication)
        await self._execute(plan)
        self.version = next_version
        return Change(plan.answer.sdp, next_version, plan.added, plan.removed)

    async def restart(self, remote: Credentials) -> LocalTransport:
        """Take new ICE credentials of the peer and give ours (RFC 8445 section 2.4)."""
        if self.transport is None or self._remote is None:
            raise Refusal("session_unknown", "there is no transport to restart")
        local = self._core.local_transport(self._worker, self._owner.local_address)
        renewed = self._remote.with_credentials(remote)
        await run_commands(self._core, self._worker, [self._restart_command(local, renewed)])
        self._local, self._remote = local.credentials, renewed
        return local

    def close(self) -> list[Publication]:
        """End the transport with all it publishes; return what that was."""
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
        mine = self._remote
        remote = remote_of_offer(offer, mine)
        is_new_transport = mine is None or mine.fingerprints != remote.fingerprints
        restart = not is_new_transport and mine is not None and mine.ufrag != remote.ufrag
        mine_kept = None if is_new_transport or restart else self._local
        local = self._core.local_transport(self._worker, self._owner.local_address, mine_kept)
        in_use = {} if is_new_transport else self._extensions
        answer = answer_publisher(offer, local, rules, version, mine, in_use=in_use)
        kept, added = [], []
        before = {entry.track.mid: entry for entry in self.publications.values()}
        for track in answer.tracks:
            known = before.get(track.mid)
            source = source_of(track, known)
            if (
                known
                and not is_new_transport
                and known.source == source
                and known.is_same_stream(track)
            ):
                kept.append(known)
            else:
                added.append(new(track, source))
        removed = [entry for entry in self.publications.values() if entry not in kept]
        return _Plan(answer, local, is_new_transport, restart, kept, added, removed)

    async def _execute(self, plan: _Plan) -> None:
        transport = self.transport
        if plan.is_new_transport or transport is None:
            transport = self._core.ids.transport()
        commands = self._transport_commands(plan, transport)
        commands += [entry.publish_command(transport) for entry in plan.added]
        muted = [entry.number for entry in plan.added if entry.muted]
        commands += [SetMuted(publication=number, muted=True) for number in muted]
        self._core.transports[transport] = self._owner
        if not plan.is_new_transport:  # the engine keeps ids, whatever becomes of the rest
            self._extensions = plan.answer.extensions
        try:
            if commands:
                await run_commands(self._core, self._worker, commands)
        except BaseException:  # cancelled as well: nothing of the plan may stay
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
        for entry in plan.removed:
            self._core.publications.pop(entry.number, None)
        self.publications = {entry.number: entry for entry in (*plan.kept, *plan.added)}
        for entry in plan.added:
            self._core.publications[entry.number] = entry

    def _roll_back(self, plan: _Plan, transport: int) -> None:
        """Take back what the engine may have done of a plan that failed."""
        if plan.is_new_transport:
            self._core.transports.pop(transport, None)
            undone: list[Command] = [CloseTransport(transport=transport)]
        else:
            undone = [Unpublish(publication=entry.number) for entry in plan.added]
        self._core.engine.send(self._worker, undone)


def parse_description(text: str) -> sdp.Session:
    """Parse SDP, turning what is malformed into a ``Refusal`` that names the line."""
    try:
        return sdp.parse(text)
    except sdp.SdpError as error:
        raise Refusal("sdp_malformed", str(error), line=error.line) from None


def remote_of(remote: RemoteParameters) -> Remote:
    """Write the peer's side as the engine takes it."""
    return Remote(remote.ufrag, remote.pwd, remote.fingerprints, remote.setup)


async def run_commands(core: Core, worker: int, commands: list[Command]) -> list[msgspec.Raw]:
    """Carry out commands, all of them or a ``Refusal``."""
    outcomes = await core.engine.run(worker, commands)
    if error := first_error(outcomes):
        raise refusal_of(error)
    return [outcome.result for outcome in outcomes]
