//! Who may do what in a room: one table.

use crate::message::Role;

/// What somebody may want to do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Be there, read what is said, see who is there.
    Read,
    /// Send, edit and delete one's own, react, type.
    Say,
    /// The same in a room that is read only.
    SayInReadOnly,
    /// Tell the others there something that stands in no log; write to one user alone.
    Tell,
    /// Kick, mute, ban, unban, slow mode, topic, clear; delete what others said.
    Moderate,
    /// Give and take roles.
    Role,
}

impl Deed {
    /// Whether a role is enough for it. Who is muted may only read, whatever the role.
    pub(crate) const fn is_allowed(self, role: Role) -> bool {
        let least = match self {
            Deed::Read | Deed::Say => Role::Guest,
            Deed::Tell => Role::Member,
            Deed::SayInReadOnly | Deed::Moderate => Role::Moderator,
            Deed::Role => Role::Owner,
        };
        rank(role) >= rank(least)
    }
}

/// Whether somebody may moderate somebody else: nobody does those who may as much as they, or more. Owners do everybody.
pub(crate) const fn is_above(role: Role, other: Role) -> bool {
    matches!(role, Role::Owner) || rank(role) > rank(other)
}

const fn rank(role: Role) -> u8 {
    match role {
        Role::Owner => 3,
        Role::Moderator => 2,
        Role::Member => 1,
        Role::Guest => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_it_is_documented() {
        let table = [
            (Deed::Read, [true, true, true, true]),
            (Deed::Say, [true, true, true, true]),
            (Deed::SayInReadOnly, [true, true, false, false]),
            (Deed::Tell, [true, true, true, false]),
            (Deed::Moderate, [true, true, false, false]),
            (Deed::Role, [true, false, false, false]),
        ];
        for (deed, cells) in table {
            for (role, allowed) in Role::ALL.into_iter().zip(cells) {
                assert_eq!(deed.is_allowed(role), allowed, "{deed:?} as {}", role.name());
            }
        }
    }

    #[test]
    fn nobody_moderates_those_above_or_beside_them_but_owners() {
        let above = |role| Role::ALL.map(|other| is_above(role, other));
        assert_eq!(above(Role::Owner), [true; 4]);
        assert_eq!(above(Role::Moderator), [false, false, true, true]);
        assert_eq!(above(Role::Member), [false, false, false, true]);
        assert_eq!(above(Role::Guest), [false; 4]);
    }
}
