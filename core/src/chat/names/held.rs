//! Who has which name, so that nobody looks like somebody else.

use std::collections::HashMap;

use crate::id::{UserId, UserName};

use super::colors::mixed;
use super::reserved::Reserved;
use super::skeleton::Skeleton;

/// The names that are kept, and those that users have.
#[derive(Debug)]
pub(crate) struct Names {
    reserved: Reserved,
    /// By look. More than one has the same where the host says so.
    held: HashMap<Box<str>, Vec<UserId>>,
}

impl Names {
    /// Keeps the host's name, those of an authority, and more that the host wants kept.
    pub(crate) fn new(host: &UserName, more: &[UserName]) -> Names {
        Names { reserved: Reserved::new(host, more), held: HashMap::new() }
    }

    /// Whether nobody has that name or one like it, but that user perhaps.
    pub(crate) fn is_free(&self, name: &str, user: Option<&UserId>) -> bool {
        let look = Skeleton::of(name);
        !self.reserved.keeps(&look) && !self.is_held(&look, user)
    }

    /// The name itself, or with a number behind it if it is not free for that user.
    pub(crate) fn free(&self, name: UserName, user: Option<&UserId>) -> UserName {
        if self.is_free(&name, user) {
            return name;
        }
        // A name may be as long as a name can be; then its beginning has to do. Where many numbers are taken, others are
        // tried out of more and more.
        let mut tries = 0;
        let mut stem: &str = &name;
        loop {
            let number = match tries {
                0..16 => 2 + tries,
                _ => 18 + mixed(tries) % (tries * tries),
            };
            match UserName::new(&format!("{stem} {number}")) {
                Ok(numbered) if self.is_free(&numbered, user) => return numbered,
                Ok(_) => tries += 1,
                Err(_) => stem = stem.char_indices().next_back().map_or("", |(at, _)| &stem[..at]),
            }
        }
    }

    /// As [`free`](Names::free), for a user whom the host names: it may give the names that are kept.
    pub(crate) fn free_of_users(&self, name: UserName, user: &UserId) -> UserName {
        match self.is_held(&Skeleton::of(&name), Some(user)) {
            true => self.free(name, Some(user)),
            false => name,
        }
    }

    fn is_held(&self, look: &Skeleton, user: Option<&UserId>) -> bool {
        let has_other =
            |key: &str| self.held.get(key).is_some_and(|users| users.iter().any(|other| Some(other) != user));
        look.keys().iter().any(|key| has_other(key))
    }

    /// A user has a name from now on.
    pub(crate) fn hold(&mut self, name: &str, user: &UserId) {
        for key in unique(Skeleton::of(name)) {
            self.held.entry(key).or_default().push(user.clone());
        }
    }

    /// A user has a name no longer.
    pub(crate) fn release(&mut self, name: &str, user: &UserId) {
        for key in unique(Skeleton::of(name)) {
            if let Some(users) = self.held.get_mut(&key) {
                if let Some(at) = users.iter().position(|other| other == user) {
                    users.remove(at);
                }
                if users.is_empty() {
                    self.held.remove(&key);
                }
            }
        }
    }
}

fn unique(look: Skeleton) -> impl Iterator<Item = Box<str>> {
    let [one, other] = look.into_keys();
    let other = (other != one).then_some(other);
    [Some(one), other].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_and_their_look_alikes_get_a_number() {
        let name = |text: &str| UserName::new(text).unwrap();
        let kept = Names::new(&name("Desk"), &[name("Boss"), name("ТОМ")]);
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
            assert_eq!(kept.free(name(wanted), None), name(given), "{wanted}");
        }
    }

    #[test]
    fn a_kept_name_of_full_length_loses_its_end_for_the_number() {
        for long in ["h".repeat(32), "é".repeat(32), "👍🏽".repeat(16)] {
            let host = UserName::new(&long).unwrap();
            let given = Names::new(&host, &[]).free(host.clone(), None);
            assert!(given.ends_with(" 2") && given.len() <= 128, "{given}");
            assert!(given.starts_with(&long[..long.len() / 2]), "{given}");
        }
    }

    #[test]
    fn a_number_that_is_kept_itself_is_passed_over() {
        let name = |text: &str| UserName::new(text).unwrap();
        let kept = Names::new(&name("Admin 2"), &[name("admin 3")]);
        assert_eq!(kept.free(name("admin"), None), name("admin 4"));
    }

    #[test]
    fn who_holds_a_name_keeps_it_from_others_and_their_look_alikes() {
        let name = |text: &str| UserName::new(text).unwrap();
        let user = |id: &str| UserId::new(id).unwrap();
        let mut names = Names::new(&name("Host"), &[]);
        names.hold(&name("paypal"), &user("u1"));
        for wanted in ["paypal", "PayPal", "paypaI", "раураl"] {
            assert!(!names.is_free(&name(wanted), None), "{wanted}");
            assert!(!names.is_free(&name(wanted), Some(&user("u2"))), "{wanted}");
            assert!(names.is_free(&name(wanted), Some(&user("u1"))), "{wanted}");
        }
        assert_eq!(names.free(name("paypal"), None), name("paypal 2"));
        // The host gave it to another one, too.
        names.hold(&name("PayPal"), &user("u2"));
        names.release(&name("paypal"), &user("u1"));
        assert!(!names.is_free(&name("paypal"), None));
        names.release(&name("PayPal"), &user("u2"));
        assert!(names.is_free(&name("paypal"), None) && names.held.is_empty());
    }

    #[test]
    fn a_free_name_is_found_soon_however_many_there_are() {
        let name = |text: &str| UserName::new(text).unwrap();
        let mut names = Names::new(&name("Host"), &[]);
        for n in 0..2_000 {
            let free = names.free(name("Ann"), None);
            names.hold(&free, &UserId::new(&format!("u{n}")).unwrap());
        }
        assert!(names.held.values().all(|users| users.len() == 1));
        assert!((2_000..=4_000).contains(&names.held.len()), "{}", names.held.len());
    }
}
