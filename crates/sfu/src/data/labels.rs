//! The labels of the channels of a room: which may be opened, and what they were opened with.

use std::collections::BTreeMap;
use std::rc::Rc;

use rtc::sctp::ChannelParameters;

use crate::reasons;

/// Longest label, and longest subprotocol, bytes.
pub const MAX_LABEL_BYTES: usize = 64;
/// The label of messages of the control plane, which are not passed on by the engine.
pub const MESSAGES: &str = "sfukit";
/// The subprotocol of channels whose messages begin with a line that names a participant: the
/// receiver, empty for all, and on arrival the sender.
pub const ADDRESSED: &str = "sfukit.to";
/// Most labels of a room.
pub const MAX_LABELS: usize = 64;

/// A label in use.
#[derive(Debug)]
pub struct Label {
    /// What its channels are opened with: that of the participant that opened it first.
    pub parameters: Rc<ChannelParameters>,
    /// Open channels of participants.
    openers: usize,
}

/// The labels of a room.
#[derive(Debug, Default)]
pub struct Labels(BTreeMap<Rc<str>, Label>);

/// How a label was opened.
#[derive(Debug)]
pub enum Opened {
    /// It is new.
    New(Rc<str>),
    /// Other channels of the room have it.
    Known(Rc<str>),
}

impl Labels {
    /// Note that a participant has opened a channel.
    ///
    /// # Errors
    /// The reason code where the label may not be used.
    pub fn open(&mut self, parameters: &ChannelParameters) -> Result<Opened, &'static str> {
        if let Some((name, label)) = self.entry(&parameters.label) {
            label.openers += 1;
            return Ok(Opened::Known(name));
        }
        if !is_label(&parameters.label) || parameters.protocol.len() > MAX_LABEL_BYTES {
            return Err(reasons::LABEL_INVALID);
        }
        if self.0.len() >= MAX_LABELS {
            return Err(reasons::TOO_MANY_CHANNELS);
        }
        let name: Rc<str> = parameters.label.as_str().into();
        let label = Label {
            parameters: Rc::new(parameters.clone()),
            openers: 1,
        };
        self.0.insert(name.clone(), label);
        Ok(Opened::New(name))
    }

    /// Note that a participant has closed a channel; return whether it was the last one.
    pub fn close(&mut self, name: &str) -> bool {
        let Some((_, label)) = self.entry(name) else {
            return false;
        };
        label.openers = label.openers.saturating_sub(1);
        let is_last = label.openers == 0;
        if is_last {
            self.0.remove(name);
        }
        is_last
    }

    /// Return what the channels of a label are opened with.
    pub fn parameters(&self, name: &str) -> Option<&Rc<ChannelParameters>> {
        self.0.get(name).map(|label| &label.parameters)
    }

    /// List the labels.
    pub fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &Rc<ChannelParameters>)> {
        self.0.iter().map(|(name, label)| (name, &label.parameters))
    }

    fn entry(&mut self, name: &str) -> Option<(Rc<str>, &mut Label)> {
        let (name, _) = self.0.get_key_value(name)?;
        let name = name.clone();
        let label = self.0.get_mut(&name)?;
        Some((name, label))
    }
}

/// Return whether a text may be a label: short, and without control characters.
fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(label: &str) -> ChannelParameters {
        ChannelParameters {
            label: label.into(),
            ..ChannelParameters::default()
        }
    }

    #[test]
    fn a_label_ends_with_its_last_opener() {
        let mut labels = Labels::default();
        assert!(matches!(labels.open(&parameters("a")), Ok(Opened::New(_))));
        let other = ChannelParameters {
            unordered: true,
            ..parameters("a")
        };
        assert!(matches!(labels.open(&other), Ok(Opened::Known(_))));
        assert!(labels.parameters("a").is_some_and(|it| !it.unordered));
        assert!(!labels.close("a"));
        assert!(labels.close("a"));
        assert!(!labels.close("a"));
        assert!(matches!(labels.open(&other), Ok(Opened::New(_))));
        assert!(labels.parameters("a").is_some_and(|it| it.unordered));
    }

    #[test]
    fn labels_are_short_printable_and_few() {
        let mut labels = Labels::default();
        for bad in ["", "a\nb", "\u{7f}", &"x".repeat(65)] {
            let refused = labels.open(&parameters(bad)).err();
            assert_eq!(refused, Some(reasons::LABEL_INVALID), "{bad:?}");
        }
        for nth in 0..MAX_LABELS {
            assert!(labels.open(&parameters(&format!("label {nth}"))).is_ok());
        }
        let refused = labels.open(&parameters("one more")).err();
        assert_eq!(refused, Some(reasons::TOO_MANY_CHANNELS));
        assert!(labels.open(&parameters("label 7")).is_ok());
    }
}
