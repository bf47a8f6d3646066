//! A call of two bots: bot 1 publishes stream 7, bot 2 receives it as stream 9; 10 ms each way.

use super::World;
use serde_json::Value;

/// Further fields of a command.
pub type Fields<'a> = &'a [(&'a str, Value)];

/// How the call differs from one of VP8 at 360p, without impairment.
pub struct Call<'a> {
    /// Time for ICE and DTLS of both bots.
    pub connect_ms: u64,
    /// Of the transport of bot 1.
    pub publisher: Fields<'a>,
    /// Of the transport of bot 2.
    pub subscriber: Fields<'a>,
    pub clip: u32,
    pub codec: &'a str,
    /// Of the published stream.
    pub publish: Fields<'a>,
    /// Of the received stream.
    pub receive: Fields<'a>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            connect_ms: 100,
            publisher: &[],
            subscriber: &[],
            clip: 1,
            codec: "VP8",
            publish: &[],
            receive: &[],
        }
    }
}

impl Call<'_> {
    /// Start the call: both bots are connected and the stream is published.
    pub fn start(self) -> World {
        self.start_in(World::new())
    }

    pub fn start_in(self, mut world: World) -> World {
        world.join(1, self.publisher);
        world.join(2, self.subscriber);
        world.run_for(self.connect_ms);
        assert_eq!(world.connected(), 2);
        world.receive_with(2, 9, 7, self.codec, self.receive);
        world.publish(1, 7, self.clip, self.publish);
        world
    }
}
