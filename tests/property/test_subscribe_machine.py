"""The subscribe connection under every order of joins, leaves, offers, answers and rejections."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sfukit.signaling import extensions, sdp
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec
from sfukit.signaling.subscribe_offer import MAX_SLOTS, SubscribeOffers, Track
from tests.unit.signaling.descriptions import LOCAL, answer_to

CODECS = {
    "opus": Codec(111, "opus", 48_000, 2, "minptime=10", {"minptime": "10"}, ()),
    "VP8": Codec(96, "VP8", 90_000, 1, "", {}, ()),
    "VP9": Codec(98, "VP9", 90_000, 1, "profile-id=0", {"profile-id": "0"}, ()),
    **{
        f"H264 {number}": Codec(
            102,
            "H264",
            90_000,
            1,
            f"profile-level-id=4200{number:02x}",
            {"profile-level-id": f"4200{number:02x}"},
            (),
        )
        for number in range(40)
    },
}


class Connection(RuleBasedStateMachine):
    """A model of what the peer believes, beside the real thing."""

    def __init__(self) -> None:
        super().__init__()
        self.offers = SubscribeOffers(LOCAL)
        self.wanted: dict[int, Track] = {}
        self.negotiated: set[int] = set()
        self.outstanding: str | None = None
        self.next = 1
        self.mids: dict[str, str] = {}  # mid -> kind, as the peer has seen them
        self.formats: dict[str, dict[int, tuple[str, str]]] = {}  # mid -> payload type -> meaning
        self.ssrcs: set[int] = set()

    @rule(codec=st.sampled_from(sorted(CODECS)))
    def publish(self, codec: str) -> None:
        number = self.next
        self.next += 1
        kind = "audio" if codec == "opus" else "video"
        track = Track(
            number,
            kind,
            CODECS[codec].name,
            CODECS[codec],
            extensions.to_subscriber([], extensions.OFFERED_IDS),
            "s",
            f"p{number}",
            "c",
            1000 + 2 * number,
            1001 + 2 * number if kind == "video" else None,
        )
        has_capacity = self.offers.has_capacity(track)
        try:
            self.offers.add(track)
        except Refusal as refusal:
            assert refusal.reason == "too_many_subscriptions"
            assert not has_capacity
        else:
            assert has_capacity
            self.wanted[number] = track

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def unpublish(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.wanted)))
        del self.wanted[number]
        self.negotiated.discard(number)
        assert self.offers.remove(number) is not None
        assert self.offers.remove(number) is None

    @precondition(lambda self: self.outstanding is None and self.offers.changed)
    @rule()
    def offer(self) -> None:
        self.outstanding = self.offers.offer()
        session = sdp.parse(self.outstanding)
        meanings: dict[int, str] = {}
        formats: dict[int, tuple[str, str]] = {}
        for media in session.media:
            for uri, number in media.extensions.items():
                assert meanings.setdefault(number, uri) == uri
            if media.rejected:
                continue
            assert self.mids.setdefault(media.mid, media.kind) == media.kind
            for codec in media.codecs():
                meaning = (codec.name, codec.fmtp)
                assert formats.setdefault(codec.payload_type, meaning) == meaning
                under_mid = self.formats.setdefault(media.mid, {})
                assert under_mid.setdefault(codec.payload_type, meaning) == meaning
        assert session.bundled == [media.mid for media in session.media if not media.rejected]

    @precondition(lambda self: self.outstanding is not None)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        assert self.outstanding is not None
        session = sdp.parse(self.outstanding)
        new = {
            media.mid: next(iter(media.ssrcs))
            for media in session.media
            if media.direction == "sendonly"
        }
        reject = frozenset(
            data.draw(st.sets(st.sampled_from(sorted(new)), max_size=1)) if new else ()
        )
        if len(reject) == len([media for media in session.media if not media.rejected]):
            reject = frozenset()
        answered = self.offers.answer(sdp.parse(answer_to(self.outstanding, reject=reject)))
        self.outstanding = None
        for accepted in answered.accepted:
            number = accepted.track.publication
            assert number in self.wanted
            assert number not in self.negotiated
            assert accepted.track.ssrc not in self.ssrcs
            self.ssrcs.add(accepted.track.ssrc)
            self.negotiated.add(number)
        rejected = {new[mid] for mid in reject}
        assert {refused.ssrc for refused in answered.refused} <= rejected
        for refused in answered.refused:
            del self.wanted[refused.publication]
            self.negotiated.discard(refused.publication)
        assert not rejected & {self.wanted[number].ssrc for number in self.negotiated}

    @invariant()
    def tracks_are_those_wanted(self) -> None:
        assert {track.publication for _, track in self.offers.tracks} == set(self.wanted)

    @invariant()
    def sizes_are_bounded(self) -> None:
        assert len(self.offers.tracks) <= MAX_SLOTS
        if self.outstanding is not None:
            assert len(self.outstanding) <= sdp.MAX_BYTES

    @invariant()
    def quiet_means_that_all_flows(self) -> None:
        if self.outstanding is None and not self.offers.changed:
            assert self.negotiated == set(self.wanted)


TestConnection = Connection.TestCase
TestConnection.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
