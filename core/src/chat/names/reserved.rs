//! Names that nobody takes who was not given them: the host's, and those of an authority.

use crate::id::UserName;

use super::skeleton::{Looks, Skeleton};

/// The names that are kept, and whatever looks like them.
#[derive(Debug)]
pub(crate) struct Reserved(Looks<()>);

impl Reserved {
    /// Keeps the host's name, those of an authority, and more that the host wants kept.
    pub(crate) fn new(host: &UserName, more: &[UserName]) -> Reserved {
        let mut looks = Looks::default();
        for name in AUTHORITIES.into_iter().chain([host.as_str()]).chain(more.iter().map(UserName::as_str)) {
            looks.give(Skeleton::of(name), ());
        }
        Reserved(looks)
    }

    /// The name itself, or with a number behind it if it is kept.
    pub(crate) fn unreserved(&self, name: UserName) -> UserName {
        if !self.keeps(&name) {
            return name;
        }
        // A kept name may be as long as a name can be; then its beginning has to do. The numbers do not run out,
        // because fewer names are kept.
        let mut number = 2;
        let mut stem: &str = &name;
        loop {
            match UserName::new(&format!("{stem} {number}")) {
                Ok(numbered) if self.keeps(&numbered) => number += 1,
                Ok(numbered) => return numbered,
                Err(_) => stem = stem.char_indices().next_back().map_or("", |(at, _)| &stem[..at]),
            }
        }
    }

    fn keeps(&self, name: &str) -> bool {
        self.0.holder(&Skeleton::of(name)).is_some()
    }
}

/// Who speaks for the engine, or may be thought to.
const AUTHORITIES: [&str; 13] = [
    "admin",
    "administrator",
    "everyone",
    "host",
    "klatsch",
    "mod",
    "moderator",
    "owner",
    "root",
    "server",
    "staff",
    "support",
    "system",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_and_their_look_alikes_get_a_number() {
        let name = |text: &str| UserName::new(text).unwrap();
        let kept = Reserved::new(&name("Desk"), &[name("Boss"), name("ТОМ")]);
        for (wanted, given) in [
            ("dESK", "dESK 2"),
            ("ADMIN", "ADMIN 2"),
            ("adrnin", "adrnin 2"),
            ("Ｓystem", "Ｓystem 2"),
            ("5erver", "5erver"),
            ("B0SS", "B0SS 2"),
            ("tom", "tom 2"),
            ("ЅУЅТЕМ", "ЅУЅТЕМ 2"),
            ("Ann", "Ann"),
            ("Admiral", "Admiral"),
        ] {
            assert_eq!(kept.unreserved(name(wanted)), name(given), "{wanted}");
        }
    }

    #[test]
    fn a_kept_name_of_full_length_loses_its_end_for_the_number() {
        for long in ["h".repeat(32), "é".repeat(32), "👍🏽".repeat(16)] {
            let host = UserName::new(&long).unwrap();
            let given = Reserved::new(&host, &[]).unreserved(host.clone());
            assert!(given.ends_with(" 2") && given.len() <= 128, "{given}");
            assert!(given.starts_with(&long[..long.len() / 2]), "{given}");
        }
    }

    #[test]
    fn a_number_that_is_kept_itself_is_passed_over() {
        let name = |text: &str| UserName::new(text).unwrap();
        let kept = Reserved::new(&name("Admin 2"), &[name("admin 3")]);
        assert_eq!(kept.unreserved(name("admin")), name("admin 4"));
    }
}
