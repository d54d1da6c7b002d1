//! Emoji as they are built from characters.
//!
//! In: characters. Out: how many of them at the front are one emoji. The grammar is followed, not the list of those
//! that were drawn: what no font knows shows as its parts, which have the same skeleton.
//!
//! Source: UTS 51, 1.4.9 and ED-9 to ED-16.

use unicode_properties::{EmojiStatus, UnicodeEmoji};

/// How many characters at the front are one emoji; `None`: it is none, or a character that is only one beside a
/// selector or joined to others, as © and ♀ are.
pub(super) fn length(chars: &[char]) -> Option<usize> {
    match chars {
        [a, b, ..] if is_regional(*a) && is_regional(*b) => Some(2),
        ['0'..='9' | '#' | '*', SELECTOR, KEYCAP, ..] => Some(3),
        [BLACK_FLAG, rest @ ..] if SUBDIVISIONS.iter().any(|tags| starts_with_tags(rest, tags)) => {
            Some(1 + SUBDIVISION_TAGS + 1)
        }
        _ => joined(chars),
    }
}

/// Whether a character stands in names only as a part of an emoji.
pub(super) fn is_part(char: char) -> bool {
    matches!(char, SELECTOR | KEYCAP | '\u{E0020}'..='\u{E007F}') || is_regional(char)
}

/// Up to four elements with joiners between them: a family.
fn joined(chars: &[char]) -> Option<usize> {
    let (mut length, mut is_emoji) = element(chars)?;
    for _ in 1..MAX_ELEMENTS {
        let [JOINER, rest @ ..] = &chars[length..] else { break };
        let Some((more, _)) = element(rest) else { break };
        length += 1 + more;
        is_emoji = true;
    }
    is_emoji.then_some(length)
}

/// One character with its selector or its colour of skin; and whether it is an emoji by itself.
fn element(chars: &[char]) -> Option<(usize, bool)> {
    let (&base, rest) = chars.split_first()?;
    if base.is_ascii() || is_regional(base) || !base.is_emoji_char() {
        return None;
    }
    match (base.emoji_status(), rest) {
        (_, [SELECTOR, ..]) => Some((2, true)),
        (
            EmojiStatus::EmojiModifierBase | EmojiStatus::EmojiPresentationAndModifierBase,
            ['\u{1F3FB}'..='\u{1F3FF}', ..],
        ) => Some((2, true)),
        (EmojiStatus::EmojiOther | EmojiStatus::EmojiModifierBase, _) => Some((1, false)),
        _ => Some((1, true)),
    }
}

fn is_regional(char: char) -> bool {
    matches!(char, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Whether the characters begin with these letters as tags, and the tag that ends them.
fn starts_with_tags(chars: &[char], letters: &str) -> bool {
    let tags = letters.bytes().map(|byte| char::from_u32(0xE0000 + u32::from(byte)));
    let wanted = tags.chain([Some('\u{E007F}')]);
    chars.len() > SUBDIVISION_TAGS && wanted.zip(chars).all(|(tag, char)| tag == Some(*char))
}

pub(super) const JOINER: char = '\u{200D}';
const SELECTOR: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';
const BLACK_FLAG: char = '\u{1F3F4}';
/// England, Scotland and Wales: the only flags for which tags are recommended for general interchange.
const SUBDIVISIONS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];
const SUBDIVISION_TAGS: usize = 5;
/// The longest recommended sequence: two people, a heart, a kiss.
const MAX_ELEMENTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn length_of(text: &str) -> Option<usize> {
        length(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn emoji_are_told_from_what_only_looks_like_a_part_of_one() {
        for whole in ["😀", "❤️", "👍🏽", "🇩🇪", "1️⃣", "👩‍💻", "🏳️‍🌈", "👨‍👩‍👧‍👦", "👩🏻‍❤️‍💋‍👨🏿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🕵️‍♂️"]
        {
            assert_eq!(length_of(whole), Some(whole.chars().count()), "{whole}");
        }
        for none in ["1", "#", "a", "a\u{fe0f}", "🇩", "\u{200d}", "\u{20e3}", "©", "ℹ", "1\u{fe0f}", ""]
        {
            assert_eq!(length_of(none), None, "{none:?}");
        }
        assert_eq!(length_of("😀\u{200d}a"), Some(1), "a joiner that joins nothing is no part of it");
        assert_eq!(length_of("🏴\u{e0061}\u{e007f}"), Some(1), "nor are tags of no flag");
    }
}
