//! Colours that never run out.

use crate::id::UserId;
use crate::message::Color;

/// Hands out the colours in an order of its own, again and again.
#[derive(Debug)]
pub(crate) struct Palette {
    order: [Color; Color::HANDED_OUT.len()],
    next: usize,
}

impl Palette {
    /// Shuffles the colours by the seed.
    pub(crate) fn new(seed: u64) -> Palette {
        let mut order = Color::HANDED_OUT;
        let mut state = seed;
        for last in (1..order.len()).rev() {
            state = mixed(state);
            order.swap(last, (state % (last as u64 + 1)) as usize);
        }
        Palette { order, next: 0 }
    }

    pub(crate) fn next(&mut self) -> Color {
        let color = self.order[self.next];
        self.next = (self.next + 1) % self.order.len();
        color
    }
}

/// The colour of somebody who is not here: always the same for the same id.
pub(crate) fn color_of(user: &UserId) -> Color {
    let hash = user.bytes().fold(0, |hash, byte| mixed(hash ^ u64::from(byte)));
    Color::HANDED_OUT[(hash % Color::HANDED_OUT.len() as u64) as usize]
}

/// One step of SplitMix64, whose output bits depend on all input bits.
pub(super) fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_colour_is_handed_out_before_one_comes_again() {
        let mut palette = Palette::new(7);
        let first: Vec<Color> = (0..7).map(|_| palette.next()).collect();
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 7);
        assert_eq!((0..7).map(|_| palette.next()).collect::<Vec<_>>(), first);
    }

    #[test]
    fn the_order_is_the_seeds() {
        let order = |seed| Palette::new(seed).order;
        assert_eq!(order(1), order(1));
        assert!((0..20).any(|seed| order(seed) != order(0)));
    }

    #[test]
    fn the_colour_of_an_id_stays() {
        let id = |text: &str| UserId::new(text).unwrap();
        assert_eq!(color_of(&id("ann")), color_of(&id("ann")));
        assert!((0..9).map(|n| color_of(&id(&format!("u{n}")))).collect::<HashSet<_>>().len() > 2);
    }
}
