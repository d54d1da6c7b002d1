//! The name of a stranger, in its one form, or words that say what would be right.
//!
//! In: what was typed. Out: a name without anything that cannot be seen, in letters of one script (or Latin beside
//! those of Korea, Japan or China), spelled in one way. Enforcing a name twice gives the same as once.
//!
//! Source: RFC 8266 (the nickname profile) over RFC 8264 (its FreeformClass); UTS 39, 5.2, *Highly Restrictive*, and
//! 5.4 for marks. Kinder than these where people's names are: joiners where a script needs them (RFC 5892, A.1 and
//! A.2), emoji, single Korean letters (ㅇㅇ), and spacing accents (´), which RFC 8266 would take apart or refuse.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};
use unicode_security::general_security_profile::{GeneralSecurityProfile, IdentifierType};
use unicode_security::mixed_script::AugmentedScriptSet;

use crate::error::{Error, ErrorCode};
use crate::id::UserName;

use super::emoji;
use super::skeleton::is_blank;

/// Makes a name of what a stranger typed.
///
/// # Errors
/// `bad_name`, with words that say what would be right and fit into a close frame.
pub(crate) fn chosen(text: &str) -> Result<UserName, Error> {
    enforced(text)
        .map_err(|words| Error::new(ErrorCode::BadName, words))
        .and_then(|name| UserName::new(&name))
}

fn enforced(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > MAX_TYPED_BYTES {
        return Err(format!("the name has {} bytes; at most 128 are allowed", text.len()));
    }
    if let Some(plain) = plain(text) {
        return Ok(plain);
    }
    judged(text)
}

/// A name of nothing but ASCII, which has one spelling, one script and nothing to hide: nearly every name that is
/// typed where Latin is written, and none of the tables below are asked.
pub(super) fn plain(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    is_plain.then(|| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

/// Any name, by the tables of Unicode.
pub(super) fn judged(text: &str) -> Result<String, String> {
    let mut name = text.to_owned();
    // RFC 8266, 2.3: the rules are applied until they change nothing, at most three times more.
    for _ in 0..4 {
        check_visible(&name.chars().collect::<Vec<_>>())?;
        let next = spelled(&name);
        if next == name {
            check_letters(&name)?;
            check_marks(&name)?;
            check_scripts(&name)?;
            return match name.is_empty() || !is_blank(&name) {
                true => Ok(name),
                false => Err("the name shows nothing but blanks; a name has something to see".into()),
            };
        }
        name = next;
    }
    Err("the name has no stable spelling in Unicode; choose plainer characters".into())
}

/// One spelling for what is typed in several: compatible forms folded, single spaces inside, none at the ends.
fn spelled(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for char in name.chars() {
        let start = folded.len();
        decompose_compatible(char, |part| folded.push(part));
        // Taken apart these would be a mark on a blank, an emoji's letter, half a syllable.
        let is_accent = folded[start..].starts_with(' ') && folded.len() > start + 1;
        if is_accent || char.is_emoji_char() || matches!(char, '\u{3131}'..='\u{318E}') {
            folded.truncate(start);
            folded.push(char);
        }
    }
    let folded: String = folded.nfc().collect();
    folded.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_space(char: char) -> bool {
    char.general_category() == GeneralCategory::SpaceSeparator
}

/// Refuses what cannot be seen, or turns the direction of what stands beside it.
fn check_visible(chars: &[char]) -> Result<(), String> {
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        if let Some(length) = emoji::length(&chars[at..]) {
            at += length;
            continue;
        }
        let before = at.checked_sub(1).map(|before| chars[before]);
        if (is_hidden(char) || emoji::is_part(char)) && !joins(before, char, chars.get(at + 1).copied()) {
            let code = u32::from(char);
            return Err(match emoji::is_part(char) {
                true => format!("the name has U+{code:04X} outside of an emoji; leave it out"),
                false => format!("the name has U+{code:04X}, a control or invisible character; leave it out"),
            });
        }
        at += 1;
    }
    Ok(())
}

fn is_hidden(char: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    matches!(
        char.general_category(),
        Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned
    ) || unicode_security::skeleton(char.encode_utf8(&mut [0; 4])).next().is_none()
        // A braille cell without dots, a note without a head, and two that stand for something that is not there.
        || matches!(char, '\u{2800}' | '\u{1D159}' | '\u{FFFC}' | '\u{FFFD}')
}

/// Whether a joiner stands where its script writes it: behind a virama, or between letters of Arabic script.
fn joins(before: Option<char>, joiner: char, after: Option<char>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    let is_arabic = |char: char| char.script() == Script::Arabic && is_letter(char);
    match joiner {
        emoji::JOINER => canonical_combining_class(before) == VIRAMA && is_letter(after),
        NON_JOINER => {
            (canonical_combining_class(before) == VIRAMA && is_letter(after))
                || (is_arabic(before) && is_arabic(after))
        }
        _ => false,
    }
}

fn is_letter(char: char) -> bool {
    char.general_category_group() == GeneralCategoryGroup::Letter
}

/// Refuses letters that no language writes today: they are there to look like others.
fn check_letters(name: &str) -> Result<(), String> {
    use GeneralCategoryGroup::{Letter, Mark, Number};
    use IdentifierType::{Deprecated, Exclusion, Obsolete, Technical};
    for char in name.chars() {
        let is_half_syllable = matches!(char as u32, 0x1100..=0x11FF | 0xA960..=0xA97F | 0xD7B0..=0xD7FF);
        // The Greek of scholars and churches counts as obsolete, but people write their names in it.
        let is_odd = matches!(char.identifier_type(), Some(Exclusion | Obsolete | Technical | Deprecated))
            && !matches!(char, '\u{1F00}'..='\u{1FFF}');
        let is_written = matches!(char.general_category_group(), Letter | Mark | Number);
        if is_half_syllable || (is_written && is_odd && !char.is_emoji_char() && !emoji::is_part(char)) {
            let code = u32::from(char);
            return Err(format!(
                "the name has U+{code:04X}, which no language writes today; use another letter"
            ));
        }
    }
    Ok(())
}

/// Refuses marks that stand on nothing or are piled up.
fn check_marks(name: &str) -> Result<(), String> {
    let wrong = |words: &str| Err(words.to_owned());
    let mut carries = false;
    let (mut all, mut general) = (0, 0);
    let chars: Vec<char> = name.chars().collect();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let category = char.general_category();
        if let Some(length) = emoji::length(&chars[at..]) {
            (carries, all, general) = (false, 0, 0);
            at += length;
            continue;
        }
        if char.general_category_group() == GeneralCategoryGroup::Mark {
            if !carries {
                return wrong(
                    "the name has an accent or mark that stands on no letter; put a letter before it",
                );
            }
            if category == GeneralCategory::SpacingMark {
                (all, general) = (0, 0);
            } else {
                all += 1;
                general += u32::from(matches!(char.script(), Script::Inherited | Script::Common));
            }
        } else if !matches!(char, emoji::JOINER | NON_JOINER) {
            carries = matches!(
                char.general_category_group(),
                GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
            );
            (all, general) = (0, 0);
        }
        if general > MAX_MARKS || all > MAX_OWN_MARKS {
            return wrong("the name piles up accents or marks; at most 2 may stand on a letter");
        }
        at += 1;
    }
    let apart: Vec<char> = name.nfd().collect();
    let is_doubled =
        |pair: &[char]| pair[0] == pair[1] && pair[0].general_category() == GeneralCategory::NonspacingMark;
    match apart.windows(2).any(is_doubled) {
        true => wrong("the name has the same accent or mark twice on a letter; once is enough"),
        false => Ok(()),
    }
}

/// Refuses letters of several scripts in one name, except Latin beside Korean, Japanese or Chinese.
fn check_scripts(name: &str) -> Result<(), String> {
    let mut all = AugmentedScriptSet::default();
    let mut not_latin = AugmentedScriptSet::default();
    let (mut first, mut first_not_latin) = (None, None);
    for char in name.chars() {
        let scripts = AugmentedScriptSet::for_char(char);
        let is_latin = scripts.base.contains_script(Script::Latin);
        let stands_with_latin = |set: AugmentedScriptSet| set.hanb || set.jpan || set.kore;
        all.intersect_with(scripts);
        if !is_latin {
            not_latin.intersect_with(scripts);
        }
        if all.is_empty() && !stands_with_latin(not_latin) {
            let other = if stands_with_latin(scripts) { first_not_latin } else { first };
            return Err(format!(
                "the name mixes {} and {} letters; use one script (Latin may stand with Hangul, Kana or Han)",
                other.unwrap_or(Script::Common).full_name(),
                char.script().full_name()
            ));
        }
        if !scripts.is_all() {
            first.get_or_insert(char.script());
            if !is_latin {
                first_not_latin.get_or_insert(char.script());
            }
        }
    }
    Ok(())
}

const NON_JOINER: char = '\u{200C}';
/// The canonical combining class of a virama.
const VIRAMA: u8 = 9;
/// Marks in a row that any letter can carry.
const MAX_MARKS: u32 = 2;
/// Marks in a row of a script that has its own, such as Burmese or Tibetan.
const MAX_OWN_MARKS: u32 = 4;
/// More than this is not looked at: no name of 128 bytes was typed in so many.
const MAX_TYPED_BYTES: usize = 512;
