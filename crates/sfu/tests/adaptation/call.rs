//! Publishers and viewers of one room, and how the capacity of their links changes.

use serde_json::{Value, json};
use sfu::config::{Bwe, Config};
use wire::time::Time;

use super::net::Net;
use std::time::Duration;

const CLIPS: [&str; 4] = ["vp8-180p15", "vp8-360p30", "vp8-720p30", "opus"];
const OPUS: usize = 3;
const RIDS: [&str; 3] = ["q", "h", "f"];
const BITRATES_BPS: [u64; 3] = [150_000, 500_000, 1_700_000];
const ROOM: u32 = 1;
/// Publishers learn within this which encodings are wanted.
const SIGNALED_WITHIN: Duration = Duration::from_millis(10);
/// The estimates are read at this interval.
const READ_EVERY: Duration = Duration::from_millis(100);

/// A published video with its audio, by their identifiers.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    pub video: u32,
    pub audio: Option<u32>,
}

/// A viewer and its video streams.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub bot: u32,
    /// The streams, which are the subscriptions too.
    pub videos: Vec<u32>,
    pub up: Value,
    pub down: Value,
}

/// A room in which nothing happens by itself.
pub struct Call {
    pub net: Net,
    pub start: Time,
    /// The estimate of each bot over time, ms since the start and bit/s.
    pub estimates: Vec<(u32, u64, u64)>,
    /// The capacity of a viewer over time, ms since the start and bit/s.
    pub capacities: Vec<(u64, f64)>,
    next_read: Time,
    ids: u32,
}

/// A link of this capacity with a queue of 300 ms and 50 ms of delay.
pub fn narrow(rate_bps: u64) -> Value {
    json!({"rate_bps": rate_bps, "queue_ms": 300.0, "delay_ms": 50.0, "trace": true})
}

/// 50 ms of delay alone.
pub fn wide() -> Value {
    json!({"delay_ms": 50.0})
}

/// Change fields of a link.
pub fn with(mut link: Value, more: Value) -> Value {
    for (key, value) in more.as_object().expect("fields") {
        link[key] = value.clone();
    }
    link
}

impl Call {
    pub fn new(seed: u64) -> Self {
        let config = Config {
            bwe: Bwe::Gcc,
            ..Config::default()
        };
        let mut net = Net::new(config, seed);
        for (clip, name) in CLIPS.into_iter().enumerate() {
            net.bot_command(json!({"type": "load_clip", "clip": clip,
                "path": format!("{name}.ivf")}));
        }
        net.server_command(json!({"type": "open_room", "room": ROOM}));
        Self {
            start: net.now,
            net,
            estimates: Vec::new(),
            capacities: Vec::new(),
            next_read: Time::ZERO,
            ids: 0,
        }
    }

    pub fn ms(&self, at: Time) -> u64 {
        at.since(self.start).as_millis() as u64
    }

    fn id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// Add a bot with one transport.
    pub fn join(&mut self, up: Value, down: Value) -> u32 {
        let bot = self.id();
        let now = self.net.now.as_nanos();
        self.net
            .bot_command(json!({"type": "add_bot", "bot": bot, "name": "", "scheduled_ns": now}));
        self.net.connect(ROOM, bot, bot, up, down);
        self.run(500);
        bot
    }

    /// Publish the three encodings.
    pub fn publish(&mut self, bot: u32, audio: bool) -> Published {
        Published {
            video: self.publish_video(bot, &[0, 1, 2]),
            audio: audio.then(|| self.publish_audio(bot)),
        }
    }

    /// Publish some of the encodings.
    pub fn publish_video(&mut self, bot: u32, clips: &[usize]) -> u32 {
        let id = self.id();
        let rid = |clip: usize| (clips.len() > 1).then(|| RIDS[clip]);
        let asked: Vec<Value> = clips
            .iter()
            .map(|clip| json!({"rid": rid(*clip), "ssrc": null, "rtx_ssrc": null}))
            .collect();
        let sent: Vec<Value> = clips
            .iter()
            .map(|clip| {
                let ssrc = 10_000 + id * 10 + *clip as u32;
                json!({"rid": rid(*clip), "ssrc": ssrc, "rtx_ssrc": 100_000 + ssrc,
                    "clip": clip, "encoding_index": clip})
            })
            .collect();
        let common = json!({
            "transport": bot, "payload_type": 96, "rtx_payload_type": 97,
            "mid": id.to_string(), "extensions": up_extensions(),
        });
        self.net.server_command(with(
            common.clone(),
            json!({"type": "publish", "publication": id, "kind": "video", "codec": "VP8",
                "clock_rate": 90_000, "encodings": asked, "dynacast": true,
                "feedback": ["nack", "nack pli", "transport-cc"]}),
        ));
        self.net.bot_command(with(
            common,
            json!({"type": "publish", "stream": id, "encodings": sent, "source_id": id,
                "start_ns": self.net.now.as_nanos()}),
        ));
        id
    }

    fn publish_audio(&mut self, bot: u32) -> u32 {
        let id = self.id();
        let common = json!({
            "transport": bot, "payload_type": 111, "rtx_payload_type": null,
            "mid": id.to_string(), "extensions": up_extensions(),
        });
        let encoding = json!({"rid": null, "ssrc": null, "rtx_ssrc": null});
        self.net.server_command(with(
            common.clone(),
            json!({"type": "publish", "publication": id, "kind": "audio", "codec": "opus",
                "clock_rate": 48_000, "encodings": [encoding], "feedback": ["transport-cc"]}),
        ));
        let encoding = json!({"rid": null, "ssrc": 10_000 + id * 10, "rtx_ssrc": null,
            "clip": OPUS});
        self.net.bot_command(with(
            common,
            json!({"type": "publish", "stream": id, "encodings": [encoding], "source_id": id,
                "start_ns": self.net.now.as_nanos()}),
        ));
        id
    }

    /// Add a viewer who sees some publications, the first one at its highest encoding.
    pub fn view(&mut self, published: &[Published], up: Value, down: Value) -> Viewer {
        let bot = self.join(up.clone(), down.clone());
        let mut videos = Vec::new();
        for (nth, one) in published.iter().enumerate() {
            let target = match nth {
                0 => json!({"kind": "auto"}),
                _ => json!({"kind": "index", "index": 0}),
            };
            videos.push(self.subscribe(bot, one.video, "VP8", target.clone()));
            if let Some(audio) = one.audio {
                self.subscribe(bot, audio, "opus", json!({"kind": "auto"}));
            }
        }
        Viewer {
            bot,
            videos,
            up,
            down,
        }
    }

    pub fn subscribe(&mut self, bot: u32, publication: u32, codec: &str, target: Value) -> u32 {
        let id = self.id();
        let audio = codec == "opus";
        let feedback = match audio {
            true => json!(["transport-cc"]),
            false => json!(["nack", "nack pli", "transport-cc", "rrtr"]),
        };
        let common = json!({
            "transport": bot, "mid": id.to_string(), "ssrc": 500_000 + id,
            "payload_type": if audio { 111 } else { 120 },
            "rtx_payload_type": (!audio).then_some(121),
            "rtx_ssrc": (!audio).then_some(600_000 + id),
            "extensions": down_extensions(), "feedback": feedback,
        });
        self.net.bot_command(with(
            common.clone(),
            json!({"type": "receive", "stream": id, "codec": codec, "source": "",
                "wanted": {"encoding_index": 2, "bitrates_bps": BITRATES_BPS}}),
        ));
        self.net.server_command(with(
            common,
            json!({"type": "subscribe", "subscription": id, "publication": publication,
                "cname": "server", "target": target}),
        ));
        id
    }

    /// Change which encoding a viewer asks for: the highest, or the lowest.
    pub fn ask(&mut self, video: u32, highest: bool) {
        let target = match highest {
            true => json!({"kind": "auto"}),
            false => json!({"kind": "index", "index": 0}),
        };
        self.net
            .server_command(json!({"type": "set_target", "subscription": video, "target": target}));
    }

    /// Change the links of a viewer.
    pub fn set_network(&mut self, viewer: &Viewer, up: Value, down: Value) {
        self.net
            .bot_command(json!({"type": "set_network", "bot": viewer.bot,
            "net_up": up, "net_down": down}));
    }

    /// Change the capacity of the downlinks of viewers; each may use `share_bps`.
    pub fn set_capacity(&mut self, viewers: &[Viewer], rate_bps: u64, share_bps: f64) {
        for viewer in viewers {
            let down = with(viewer.down.clone(), json!({"rate_bps": rate_bps}));
            self.set_network(viewer, viewer.up.clone(), down);
        }
        self.note_share(share_bps);
    }

    /// Note what a viewer may use from now on.
    pub fn note_share(&mut self, share_bps: f64) {
        self.capacities.push((self.ms(self.net.now), share_bps));
    }

    pub fn run(&mut self, millis: u64) {
        let end = self.net.now + Duration::from_millis(millis);
        while self.net.now < end {
            self.net
                .run_until((self.net.now + SIGNALED_WITHIN).min(end));
            self.rest();
            if self.net.now >= self.next_read {
                self.next_read = self.net.now + READ_EVERY;
                self.read_estimates();
            }
        }
    }

    /// Count what is measured from now on.
    pub fn measure(&mut self) {
        let window = json!({"type": "window", "start_ns": self.net.now.as_nanos(),
            "end_ns": u64::MAX});
        self.net.bot_command(window);
    }

    /// Publishers send the encodings that are wanted.
    fn rest(&mut self) {
        for event in std::mem::take(&mut self.net.server_events) {
            if let sfu::message::Event::EncodingsWanted { publication, rids } = event {
                self.net.bot_command(json!({"type": "set_active_encodings",
                    "stream": publication, "rids": rids}));
            }
        }
    }

    fn read_estimates(&mut self) {
        let stats = self
            .net
            .server_command(json!({"type": "room_stats", "room": ROOM}));
        let now = self.ms(self.net.now);
        for transport in stats["transports"].as_array().into_iter().flatten() {
            if let Some(bps) = transport["estimate_bps"].as_u64() {
                let bot = transport["transport"].as_u64().expect("a number") as u32;
                self.estimates.push((bot, now, bps));
            }
        }
    }
}

fn up_extensions() -> Value {
    json!({
        "urn:ietf:params:rtp-hdrext:sdes:mid": 4,
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id": 10,
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id": 11,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 3,
    })
}

fn down_extensions() -> Value {
    json!({
        "urn:ietf:params:rtp-hdrext:sdes:mid": 9,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 5,
    })
}
