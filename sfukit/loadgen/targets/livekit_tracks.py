"""The tracks of LiveKit: those that a participant publishes, and those of planned publishers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from livekit.protocol import models, rtc

from sfukit.loadgen.scenario import Encoding, Size
from sfukit.loadgen.targets.base import Participant
from sfukit.signaling.sdp import Session

MAX_TRACKS = 16  # of one publisher at a time

_QUALITIES = (models.VideoQuality.LOW, models.VideoQuality.MEDIUM, models.VideoQuality.HIGH)


class OwnTrack(NamedTuple):
    """A track of the publish offer: its m-line, and its id there (``cid``)."""

    cid: str
    mid: str
    kind: str


def own_tracks(offer: Session) -> list[OwnTrack]:
    """Return the tracks of a publish offer, which LiveKit knows by their msid."""
    return [
        OwnTrack(section.msid[0][1], section.mid, section.kind)
        for section in offer.media
        if section.msid
    ]


def qualities(encodings: Sequence[Encoding]) -> list[models.VideoQuality]:
    """Return the quality of each encoding; the only one of a track is HIGH."""
    if len(encodings) == 1:
        return [models.VideoQuality.HIGH]
    return list(_QUALITIES[: len(encodings)])


def add_track(track: OwnTrack, participant: Participant) -> rtc.AddTrackRequest:
    """Return the announcement of a track, which precedes its offer."""
    if track.kind == "audio":
        return rtc.AddTrackRequest(
            cid=track.cid,
            name="microphone",
            type=models.TrackType.AUDIO,
            source=models.TrackSource.MICROPHONE,
        )
    layers = [
        models.VideoLayer(
            quality=quality,
            width=encoding.clip.width,
            height=encoding.clip.height,
            bitrate=encoding.bitrate_bps,
        )
        for encoding, quality in zip(
            participant.encodings, qualities(participant.encodings), strict=True
        )
    ]
    codec = rtc.SimulcastCodec(codec=participant.video_codec, cid=track.cid, layers=layers)
    return rtc.AddTrackRequest(
        cid=track.cid,
        name="camera",
        type=models.TrackType.VIDEO,
        source=models.TrackSource.CAMERA,
        width=layers[-1].width,
        height=layers[-1].height,
        layers=layers,
        simulcast_codecs=[codec],
    )


def active_rids(
    update: rtc.SubscribedQualityUpdate, codec: str, encodings: Sequence[Encoding]
) -> list[str]:
    """Return the rids of the encodings that have subscribers (dynacast)."""
    reported = next(
        (one.qualities for one in update.subscribed_codecs if one.codec.lower() == codec),
        update.subscribed_qualities,
    )
    enabled = {one.quality for one in reported if one.enabled}
    return [
        encoding.rid
        for encoding, quality in zip(encodings, qualities(encodings), strict=True)
        if quality in enabled
    ]


class RemoteTracks:
    """The sids of planned publishers and their tracks; of others nothing is kept."""

    def __init__(self, planned: Mapping[str, Size]) -> None:
        self._planned = planned
        self._participants: dict[str, str] = {}  # identity by sid
        self._tracks: dict[str, dict[str, str]] = {}  # kind by track sid, by identity

    def update(self, info: models.ParticipantInfo) -> tuple[list[rtc.SignalRequest], bool]:
        """Take over the state of a participant.

        Returns the requests to subscribe to new tracks, and whether there were too many.
        """
        if info.identity not in self._planned:
            return [], False
        if self._participants.get(info.sid) != info.identity:
            self._forget(info.identity)
        if info.state == models.ParticipantInfo.State.DISCONNECTED:
            self._forget(info.identity)
            return [], False
        self._participants[info.sid] = info.identity
        known = self._tracks.setdefault(info.identity, {})
        present = {track.sid for track in info.tracks}
        for sid in [sid for sid in known if sid not in present]:
            del known[sid]
        new = [track for track in info.tracks if track.sid not in known]
        taken = new[: MAX_TRACKS - len(known)]
        known.update((one.sid, "video" if one.type else "audio") for one in taken)
        return list(self._requests(info, taken)), len(taken) < len(new)

    def publishers(self, offer: Session, tracks: Mapping[str, str]) -> dict[str, str]:
        """Return the publishers by mid: by the track sids of the message, else by msid."""
        owners = {sid: identity for identity, of in self._tracks.items() for sid in of}
        found = {}
        for section in offer.media:
            identity = owners.get(tracks.get(section.mid, ""))
            if identity is None and section.msid:
                identity = self._participants.get(section.msid[0][0].partition("|")[0])
            if identity is not None:
                found[section.mid] = identity
        return found

    def _forget(self, identity: str) -> None:
        self._tracks.pop(identity, None)
        for sid in [sid for sid, owner in self._participants.items() if owner == identity]:
            del self._participants[sid]

    def _requests(
        self, info: models.ParticipantInfo, tracks: Sequence[models.TrackInfo]
    ) -> Iterable[rtc.SignalRequest]:
        """Subscribe; large video is requested at its best quality, small video at its lowest."""
        if not tracks:
            return
        sids = [track.sid for track in tracks]
        yield rtc.SignalRequest(
            subscription=rtc.UpdateSubscription(
                track_sids=sids,
                subscribe=True,
                participant_tracks=[
                    models.ParticipantTracks(participant_sid=info.sid, track_sids=sids)
                ],
            )
        )
        video = [track.sid for track in tracks if track.type == models.TrackType.VIDEO]
        if video:
            large = self._planned[info.identity] == "large"
            quality = models.VideoQuality.HIGH if large else models.VideoQuality.LOW
            yield rtc.SignalRequest(
                track_setting=rtc.UpdateTrackSettings(track_sids=video, quality=quality)
            )
