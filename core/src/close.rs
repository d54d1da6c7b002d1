//! Why the engine closes a connection: one table of causes and close codes, for every door and for the wire.

use crate::event::Dialect;

macro_rules! close_table {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $v1:literal or $other:literal, $name:literal;)+) => {
        /// Why the engine closes a connection. Each dialect has a close code for it, as `disconnected` tells it too.
        ///
        /// Clients of `klatsch.v1` know by the code what to do: 4000 to 4099, not to come back; 4100 to 4199, to come back
        /// later; 4200 to 4299, to come back and resume.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Cause {
            /// Every cause there is.
            pub const ALL: &'static [Cause] = &[$(Cause::$variant,)+];

            /// The stable name, in lower case with underscores: `"too_slow"`.
            pub const fn name(self) -> &'static str {
                match self { $(Cause::$variant => $name,)+ }
            }

            /// What the cause means, one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Cause::$variant => concat!($($meaning),+).trim_ascii(),)+ }
            }

            /// The close code by which clients of a dialect are told.
            pub const fn code(self, dialect: Dialect) -> u16 {
                match (self, dialect) {
                    $((Cause::$variant, Dialect::V1) => $v1,
                    (Cause::$variant, Dialect::Tutorial | Dialect::Raw) => $other,)+
                }
            }
        }
    };
}

close_table! {
    /// It does not keep to its dialect.
    Protocol = 4000 or 1008, "protocol";
    /// The name is not allowed.
    BadName = 4000 or 1008, "bad_name";
    /// Its token or its session is not valid, or not any more.
    Unauthorized = 4001 or 1008, "unauthorized";
    /// The user, or where it comes from, is banned.
    Banned = 4002 or 1008, "banned";
    /// Another connection has taken its session over.
    Replaced = 4003 or 1008, "replaced";
    /// The host closed it, or somebody took it out of the one room that it was in.
    Kicked = 4004 or 1008, "kicked";
    /// A message is longer than it may be.
    TooLong = 1009 or 1009, "too_long";
    /// There is no room for it: connections, rooms, sessions or memory have run out.
    Overload = 4100 or 1013, "overload";
    /// Its user has as many connections as one may have.
    TooManyConnections = 4101 or 1013, "too_many_connections";
    /// It did nothing but send, faster than it may, for too long.
    Flood = 4102 or 1008, "flood";
    /// The engine stops.
    GoingAway = 4200 or 1001, "going_away";
    /// It reads more slowly than others write.
    TooSlow = 4201 or 1013, "too_slow";
    /// The engine stops, to begin again.
    Restart = 4202 or 1012, "restart";
    /// It was silent for too long.
    NoHeartbeat = 4203 or 1001, "no_heartbeat";
    /// It did not say who it is in time.
    NoHello = 4204 or 1008, "no_hello";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_name_of_its_own_and_codes_that_may_be_sent() {
        let names: std::collections::HashSet<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert!(cause.meaning().ends_with('.'), "{cause:?}");
            assert!(matches!(cause.code(Dialect::V1), 1009 | 4000..=4299), "{cause:?}");
            for dialect in [Dialect::Tutorial, Dialect::Raw] {
                assert!(matches!(cause.code(dialect), 1001 | 1008 | 1009 | 1012 | 1013), "{cause:?}");
            }
        }
    }
}
