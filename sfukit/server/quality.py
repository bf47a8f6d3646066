"""What a transport sends within the estimate of its bandwidth: notification and debug output."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sfukit.server.native_messages import QualityChanged
from sfukit.server.publication import Subscription
from sfukit.signaling.room_messages import QualityNotification, VideoQuality


def on_quality(
    event: QualityChanged,
    subscriptions: Mapping[int, Subscription],
    paused: Callable[[str], object],
) -> None:
    """Mark the subscriptions of an event as paused or not, and notify their owner.

    All are those of one transport, which has one owner; removed ones are left out. ``paused`` is
    called with the reason of each that is paused now and was not for this reason before.
    """
    video, owner = [], None
    for entry in event.video:
        subscription = subscriptions.get(entry.subscription)
        if subscription is None:
            continue
        owner = subscription.owner
        if entry.paused:
            subscription.rid = None
            if not (subscription.paused and subscription.last_reason == entry.reason):
                paused(entry.reason)
        subscription.paused = entry.paused
        subscription.last_reason = entry.reason
        number = subscription.publication.number
        video.append(
            VideoQuality(
                number,
                entry.rid,
                entry.paused,
                entry.bitrate_bps,
                entry.reason,
                entry.spatial,
                entry.temporal,
            )
        )
    if owner is not None:
        owner.on_quality(QualityNotification(event.estimate_bps, event.sent_bps, video))


def described(quality: QualityNotification | None) -> dict[str, Any] | None:
    """Return the JSON object of ``/debug/rooms``, None before the first estimate."""
    return None if quality is None else msgspec.to_builtins(quality)
