"""One bot as a participant: its plan, its connections in the swarm, its record in the ledger."""

from collections.abc import Mapping, Sequence

from sfukit.loadgen.bots.connections import BotTransports, PublishTransport, ReceiveTransport
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.scenario import Bot, Encoding, Plan, Size
from sfukit.swarm.messages import AddBot, SetNetwork
from sfukit.swarm.native import Swarm


class BotSession:
    """A ``Participant`` whose media is in the swarm."""

    def __init__(self, plan: Plan, bot: Bot, swarm: Swarm, ledger: Ledger, media: Media) -> None:
        self.plan = plan
        self.bot = bot
        self.swarm = swarm
        self.ledger = ledger
        self._dynacast = media.unwatched == "dynacast"
        self._subscriptions = _sizes(plan, bot, None)
        self._transports = BotTransports(plan, bot, swarm, ledger, media, sizes=self._subscriptions)

    @property
    def name(self) -> str:
        return self.bot.name

    @property
    def room(self) -> str:
        return self.plan.rooms[self.bot.room].name

    @property
    def number(self) -> int:
        return self.bot.index + 1

    @property
    def clients(self) -> int:
        return len(self.plan.slots)

    @property
    def run_s(self) -> float:
        return self.plan.total_s

    @property
    def audio(self) -> bool:
        return self.bot.audio

    @property
    def video(self) -> bool:
        return self.bot.video

    @property
    def encodings(self) -> Sequence[Encoding]:
        return self.plan.encodings

    @property
    def video_codec(self) -> str:
        return self.plan.codec_of(self.bot)

    @property
    def subscriptions(self) -> Mapping[str, Size]:
        return self._subscriptions

    @property
    def dynacast(self) -> bool:
        return self._dynacast

    def add(self, scheduled_ns: int) -> None:
        """Add the bot to the swarm; its times count from the scheduled join."""
        self.ledger.scheduled(self.bot, scheduled_ns)
        name = self.ledger.label(self.bot)
        self.swarm.send([AddBot(bot=self.number, name=name, scheduled_ns=scheduled_ns)])

    def enter_phase(self, at_s: float) -> SetNetwork:
        """Take the network that is planned for a time of the run; return its command."""
        self._transports.at_s = at_s
        net_up, net_down = self._transports.networks()
        return SetNetwork(bot=self.number, net_up=net_up, net_down=net_down)

    def pause(self) -> None:
        """See no video until the next ``rearrange``."""
        self._subscriptions = dict.fromkeys(self._subscriptions, "hidden")

    def rearrange(self, at_s: float) -> None:
        """Take the sizes that are planned for a time of the run."""
        self._subscriptions = _sizes(self.plan, self.bot, at_s)
        self._transports.rearrange(self._subscriptions)
        self._transports.speak(speaks=self.plan.views.speaks(self.bot, at_s))

    def change_address(self) -> None:
        """Continue from another local address."""
        self._transports.change_address()

    def accepted(self) -> None:
        self.ledger.signalled(self.bot, self.swarm.now_ns())

    def fault(self, code: str, message: str) -> None:
        self.ledger.fault(code, message, self.bot)

    def switched(self, reason: str, wait_ms: float | None) -> None:
        self.ledger.switched(reason, wait_ms)

    def backed_off(self, delay_s: float) -> None:
        self.ledger.backed_off(self.bot, delay_s)

    def retried(self) -> None:
        self.ledger.retried(self.bot)

    def publisher(
        self, *, trickle: bool = False, rids: Sequence[str] | None = None
    ) -> PublishTransport:
        return PublishTransport(self._transports, trickle=trickle, rids=rids)

    def subscriber(self, *, trickle: bool = False) -> ReceiveTransport:
        return ReceiveTransport(self._transports, trickle=trickle)

    def leave(self) -> None:
        """Close all transports; the figures are kept."""
        self._transports.close_all()


def _sizes(plan: Plan, bot: Bot, at_s: float | None) -> Mapping[str, Size]:
    """Return the sizes of the publishers by name: at one time, or at the join."""
    return {one.publisher.name: one.size for one in plan.views.subscriptions(bot, at_s)}
