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

    pub(crate) fn keeps(&self, look: &Skeleton) -> bool {
        self.0.holder(look).is_some()
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
