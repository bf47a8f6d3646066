/// Indices in a window: reordering of up to a second of video.
pub(super) const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// Which of the last [`WINDOW`] packet indices were used: the replay list of RFC 3711 section
/// 3.3.2 on the receiving side, the guard against nonce reuse on the sending side.
///
/// The bit of an index is at `index % WINDOW`, so advancing costs one bit per index.
#[derive(Clone, Debug)]
pub(super) struct Window {
    highest: u64,
    bits: [u64; WORDS],
}

/// Why an index is rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    Used,
    TooOld,
}

impl Window {
    /// Start a window whose first used index is `index`.
    pub(super) fn starting_at(index: u64) -> Window {
        let mut window = Window {
            highest: index,
            bits: [0; WORDS],
        };
        window.mark(index);
        window
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Return whether `index` may still be used.
    pub(super) fn check(&self, index: u64) -> Result<(), Refused> {
        if index > self.highest {
            return Ok(());
        }
        if self.highest - index >= WINDOW {
            return Err(Refused::TooOld);
        }
        let (word, bit) = place(index);
        if self.bits[word] & bit != 0 {
            return Err(Refused::Used);
        }
        Ok(())
    }

    /// Mark `index`, which [`Window::check`] allowed, as used.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            self.advance(index);
        }
        self.mark(index);
    }

    fn advance(&mut self, index: u64) {
        if index - self.highest >= WINDOW {
            self.bits = [0; WORDS];
        } else {
            for passed in self.highest + 1..index {
                let (word, bit) = place(passed);
                self.bits[word] &= !bit;
            }
        }
        self.highest = index;
    }

    fn mark(&mut self, index: u64) {
        let (word, bit) = place(index);
        self.bits[word] |= bit;
    }
}

fn place(index: u64) -> (usize, u64) {
    ((index / 64) as usize % WORDS, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn the_window_reaches_back_exactly_its_length() {
        let mut window = Window::starting_at(0);
        window.accept(5000);
        assert_eq!(window.check(5000 - WINDOW), Err(Refused::TooOld));
        assert_eq!(window.check(5000 - WINDOW + 1), Ok(()));
        assert_eq!(window.check(5000), Err(Refused::Used));
        assert_eq!(window.check(5001), Ok(()));
    }

    proptest! {
        /// The bitmap answers as a set of all indices would.
        #[test]
        fn it_behaves_like_a_set(steps in prop::collection::vec(-1500_i64..1500, 1..400)) {
            let (mut window, mut used) = (Window::starting_at(10_000), HashSet::from([10_000]));
            for step in steps {
                let index = window.highest().saturating_add_signed(step);
                let expected = if window.highest().saturating_sub(index) >= WINDOW {
                    Err(Refused::TooOld)
                } else if used.contains(&index) {
                    Err(Refused::Used)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.accept(index);
                    used.insert(index);
                }
            }
        }
    }
}
