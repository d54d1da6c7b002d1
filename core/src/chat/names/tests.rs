//! Names that people have, and names that are made to be taken for somebody else's.

use std::collections::HashMap;

use super::nickname::{chosen, judged, plain};
use super::skeleton::{Looks, Skeleton, any_alike, plain_alike};
use crate::error::ErrorCode;

/// Whether the second cannot be had while somebody has the first.
fn is_taken_for(one: &str, other: &str) -> bool {
    let of = |name: &str| Skeleton::of(&chosen(name).unwrap_or_else(|error| panic!("{name:?}: {error}")));
    look_alike(of(one), &of(other))
}

fn look_alike(one: Skeleton, other: &Skeleton) -> bool {
    let mut looks = Looks::default();
    looks.give(one, "somebody");
    looks.holder(other) == Some(&"somebody")
}

fn words(name: &str) -> String {
    match chosen(name) {
        Ok(name) => panic!("{name:?} is allowed"),
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::BadName);
            error.message()
        }
    }
}

enum Verdict {
    Refused,
    /// It is, or looks like, this name.
    TakenFor(&'static str),
    Welcome,
}

#[test]
fn a_plain_name_is_judged_and_looks_the_same_without_the_tables() {
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for _ in 0..20_000 {
        let len = 1 + below(20);
        let name: String = (0..len).map(|_| char::from(b' ' + below(95) as u8)).collect();
        let name = name.trim();
        assert_eq!(judged(name), Ok(plain(name).expect("it is ASCII")), "{name:?}");
        if let Some(alike) = plain_alike(name) {
            assert_eq!(alike, any_alike(name), "{name:?}");
        }
    }
    assert_eq!(plain("J\u{f6}rg"), None);
    assert_eq!(plain("tab\there"), None);
    assert_eq!(plain_alike("50%"), None);
}

#[test]
fn nobody_can_look_like_somebody_else() {
    use Verdict::{Refused, TakenFor, Welcome};
    let piled = format!("a{}", "\u{301}".repeat(40));
    let table: [(&str, Verdict); 39] = [
        ("\u{430}dmin", Refused),
        ("ａdmin", TakenFor("admin")),
        ("𝐚dmin", TakenFor("admin")),
        ("ad\u{200b}min", Refused),
        ("ad\u{200d}min", Refused),
        ("ad\u{200c}min", Refused),
        ("ad\u{2060}min", Refused),
        ("ad\u{feff}min", Refused),
        ("ad\u{ad}min", Refused),
        ("ad\u{34f}min", Refused),
        ("ad\u{e0061}min", Refused),
        ("ad\u{fe0f}min", Refused),
        ("ad\u{202e}min", Refused),
        ("ad\u{2066}min", Refused),
        ("ad\u{3164}min", Refused),
        ("ad\u{e000}min", Refused),
        ("ad\u{fdd0}min", Refused),
        ("ad\0min", Refused),
        ("ad\u{1b}min", Refused),
        ("ad\nmin", Refused),
        ("\u{2800}", Refused),
        (&piled, Refused),
        ("davidדוד", Refused),
        ("ad  min", TakenFor("ad min")),
        ("ad\u{a0}min", TakenFor("ad min")),
        ("admin ", TakenFor("admin")),
        ("ADMIN", TakenFor("admin")),
        ("pauI", TakenFor("paul")),
        ("rnike", TakenFor("mike")),
        ("👩🏽‍💻😀", Welcome),
        ("<script>", Welcome),
        ("민수Kim", Welcome),
        ("José O'Neil", Welcome),
        ("Александр", Welcome),
        ("王小明", Welcome),
        ("山田タロウ", Welcome),
        ("דוד", Welcome),
        ("علی\u{200c}رضا", Welcome),
        ("हिंदी", Welcome),
    ];
    for (name, verdict) in table {
        match verdict {
            Refused => drop(words(name)),
            TakenFor(other) => assert!(is_taken_for(name, other), "{name:?} {other}"),
            Welcome => assert_eq!(chosen(name).map(|given| given.to_string()).ok().as_deref(), Some(name)),
        }
    }
}

#[test]
fn peoples_names_are_welcome_as_they_are() {
    for name in [
        "Ann",
        "O'Neil",
        "D´Angelo",
        "Jean-Luc",
        "Dr. Who",
        "ann_99",
        "Ann Lee",
        "José",
        "Weiß",
        "Łukasz",
        "Đặng Ngọc Ếm",
        "Həsən",
        "Ọ̀ṣun",
        "Hawaiʻi",
        "İbrahim",
        "Σωκράτης",
        "Ἀριστοτέλης",
        "Александр",
        "Її",
        "Գոռ",
        "გიორგი",
        "דוד",
        "מֹשֶׁה",
        "محمد",
        "مُحَمَّد",
        "علی\u{200c}رضا",
        "हिंदी",
        "ශ්\u{200d}රී",
        "তৃষ্ণা",
        "தமிழ்",
        "สมชาย ใจดี",
        "ธนัฏฐ์",
        "ဖြိုး",
        "ཀརྨ",
        "አበበ",
        "ᏣᎳᎩ",
        "민수",
        "민수Kim",
        "ㅇㅇ",
        "ㅋㅋㅋ",
        "たろう",
        "山田タロウ",
        "Taroさん",
        "王小明",
        "王Wang",
        "ㄅㄆ陳",
        "😀",
        "Ann 👩🏽‍💻",
        "🏳️‍🌈 Kim ❤️",
        "🇩🇪 Jörg",
        "1️⃣st",
        "Ann™️",
        "€uro ★",
        "<script>",
        "__proto__",
        "x",
        "7",
    ] {
        let given = chosen(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(given.as_str(), name);
    }
}

#[test]
fn what_is_spelled_in_several_ways_gets_one_spelling() {
    for (typed, name) in [
        (" Ann\n", "Ann"),
        ("ad  min", "ad min"),
        ("ad\u{a0}min", "ad min"),
        ("ad\u{3000}\u{2003}min", "ad min"),
        ("ａｄｍｉｎ", "admin"),
        ("𝐚𝐝𝐦𝐢𝐧", "admin"),
        ("Jose\u{301}", "José"),
        ("ﬁn", "fin"),
        ("①", "1"),
        ("ﾀﾛｳ", "タロウ"),
        ("ﾎﾞｸ", "ボク"),
        ("\u{1106}\u{1175}\u{11ab}수", "민수"),
    ] {
        assert_eq!(chosen(typed).unwrap().as_str(), name, "{typed:?}");
    }
}

#[test]
fn letters_that_are_made_to_look_like_others_are_refused() {
    assert!(words("\u{430}dmin").contains("mixes Cyrillic and Latin letters"));
    assert!(words("Aあ한").contains("mixes Hiragana and Hangul letters"));
    for mixed in ["p\u{430}ul", "\u{391}nn", "davidדוד", "ann\u{661}", "Аnn", "Ωmega", "ᏣAnn", "あкa"]
    {
        assert!(words(mixed).contains("use one script"), "{mixed}");
    }
    for odd in ["ad\u{1d0d}in", "\u{10330}", "\u{1b170}", "\u{13080}", "\u{1100}\u{1100}", "\u{1160}"] {
        assert!(words(odd).contains("U+"), "{odd:?}");
    }
}

#[test]
fn what_cannot_be_seen_is_refused() {
    for hidden in [
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{2060}',
        '\u{feff}',
        '\u{ad}',
        '\u{34f}',
        '\u{e0061}',
        '\u{fe0f}',
        '\u{fe0e}',
        '\u{202e}',
        '\u{2066}',
        '\u{200f}',
        '\u{61c}',
        '\u{115f}',
        '\u{3164}',
        '\u{ffa0}',
        '\u{e000}',
        '\u{fdd0}',
        '\u{ffff}',
        '\u{10fffd}',
        '\0',
        '\u{1b}',
        '\n',
        '\u{85}',
        '\u{2028}',
        '\u{2800}',
        '\u{1d159}',
        '\u{fffc}',
        '\u{e0100}',
        '\u{180e}',
        '\u{378}',
        '\u{20e3}',
        '\u{1f1e9}',
    ] {
        for name in [format!("ad{hidden}min"), format!("{hidden}x"), format!("★{hidden}x")] {
            // Blanks at the ends are taken off, the others' controls too.
            if name.trim() == name {
                assert!(words(&name).contains("leave it out"), "{name:?}");
            }
        }
    }
    for blank in ["", " ", "\t\n", "\u{3000}", "\u{2800}", "\u{3164}", "\u{200d}", "\u{e000}"] {
        words(blank);
    }
    assert!(words("").contains("1 to 32"));
}

#[test]
fn marks_are_not_piled_up() {
    assert!(words(&format!("a{}", "\u{301}".repeat(40))).contains("at most 2"));
    assert!(words("x\u{301}\u{300}\u{302}").contains("at most 2"));
    assert!(words("x\u{301}\u{301}").contains("twice"));
    assert!(words("á\u{301}").contains("twice"));
    assert!(words("\u{301}x").contains("before it"));
    assert!(words("x \u{301}").contains("before it"));
    assert!(words("x😀\u{301}").contains("before it"));
    assert!(words("က\u{102d}\u{102f}\u{1032}\u{1036}\u{1037}").contains("at most 2"));
}

#[test]
fn names_have_at_most_32_characters_and_128_bytes() {
    assert!(chosen(&"x".repeat(32)).is_ok() && chosen(&"👍🏽".repeat(16)).is_ok());
    assert!(chosen(&"李".repeat(32)).is_ok(), "96 bytes");
    assert!(words(&"x".repeat(33)).contains("33 characters"));
    assert!(words(&"👍🏽".repeat(17)).contains("136 bytes"));
    assert!(words(&"x".repeat(100_000)).contains("100000 bytes"));
    assert!(words(&"\u{fdfa}".repeat(3)).contains("54 characters"), "as they are spelled out");
}

#[test]
fn a_name_that_may_be_taken_for_another_has_its_skeleton() {
    for (one, other) in [
        ("ADMIN", "admin"),
        ("pauI", "paul"),
        ("PAUI", "paul"),
        ("rnike", "mike"),
        ("ｐａｕｌ", "paul"),
        ("p4ul", "P4UL"),
        ("B0B", "bob"),
        ("ТОМ", "TOM"),
        ("ТОМ", "tom"),
        ("Ann  Lee", "ann lee"),
        ("admi\u{307}n", "admin"),
        ("ADMİN", "admin"),
        ("weıß", "WEISS"),
        ("σας", "ΣΑΣ"),
        ("👩‍👩‍👦", "👩👩👦"),
        ("❤️", "❤"),
        ("علی\u{200c}رضا", "علیرضا"),
        ("ａdmin", "𝐚dmin"),
        ("1an", "Ian"),
    ] {
        assert!(is_taken_for(one, other), "{one} {other}");
        assert!(is_taken_for(other, one), "{other} {one}");
    }
    for (one, other) in
        [("Ann", "Anna"), ("Ann Lee", "AnnLee"), ("Jose", "José"), ("민수", "민서"), ("Mia", "Mya")]
    {
        assert!(!is_taken_for(one, other), "{one} {other}");
    }
}

/// What names are made of, and attacks on them: combined at random, but always in the same way.
const PIECES: [&str; 72] = [
    "a",
    "b",
    "I",
    "l",
    "1",
    "0",
    "O",
    "m",
    "rn",
    "i",
    "j",
    "ß",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{307}",
    "\u{323}",
    " ",
    "  ",
    "\u{a0}",
    "\u{3000}",
    "\u{430}",
    "м",
    "П",
    "ς",
    "Α",
    "ａ",
    "𝐚",
    "ﬁ",
    "①",
    "½",
    "´",
    "\u{1fef}",
    "\u{1ffd}",
    "™",
    "ℹ",
    "Ⓜ",
    "㊗",
    "\u{fe0f}",
    "\u{200d}",
    "\u{200c}",
    "😀",
    "👍",
    "🏽",
    "🇩",
    "🇪",
    "❤",
    "👩",
    "🏴",
    "1️⃣",
    "\u{20e3}",
    "민",
    "\u{1106}",
    "\u{1175}",
    "\u{11ab}",
    "ㅇ",
    "ﾡ",
    "か",
    "\u{3099}",
    "ﾞ",
    "カ",
    "李",
    "\u{f900}",
    "\u{2f800}",
    "ع",
    "\u{fdfa}",
    "ש",
    "\u{5bc}",
    "क",
    "\u{94d}",
    "\u{958}",
    "\u{344}",
];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = super::colors::mixed(self.0);
        (self.0 % end as u64) as usize
    }

    fn name(&mut self) -> String {
        (0..=self.below(6)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }
}

#[test]
fn a_name_that_is_allowed_stays_as_it_is() {
    let every_char = ('\0'..=char::MAX).flat_map(|char| [format!("{char}"), format!("x{char}")]);
    let mut random = Random(1);
    let combined = (0..100_000).map(|_| random.name());
    let mut allowed = 0;
    for typed in every_char.chain(combined) {
        match chosen(&typed) {
            Ok(name) => {
                allowed += 1;
                assert_eq!(chosen(&name).unwrap(), name, "{typed:?}");
                assert!((1..=128).contains(&name.len()), "{typed:?}");
                assert_eq!(*name, *name.trim(), "{typed:?}");
            }
            Err(error) => {
                assert!(error.message().len() <= 123, "{typed:?}: {error} does not fit into a close frame");
            }
        }
    }
    assert!(allowed > 100_000, "only {allowed} names were allowed");
}

#[test]
fn allowed_names_with_equal_skeletons_are_seen_as_equal_and_case_makes_no_other() {
    let mut random = Random(2);
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut pairs = 0;
    for _ in 0..100_000 {
        let Ok(name) = chosen(&random.name()) else { continue };
        let skeleton = Skeleton::of(&name);
        for same in [name.to_uppercase(), name.to_lowercase()] {
            assert!(look_alike(skeleton.clone(), &Skeleton::of(&same)), "{name:?} {same:?}");
        }
        let plain: String = unicode_security::skeleton(&name).collect();
        if let Some(other) = seen.insert(plain, name.to_string()).filter(|other| **other != *name) {
            pairs += 1;
            assert!(look_alike(skeleton, &Skeleton::of(&other)), "{name:?} {other:?}");
        }
    }
    assert!(pairs > 100, "only {pairs} pairs had equal skeletons");
}
