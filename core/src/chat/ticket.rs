//! Tickets: what a host gives to somebody whom it has let in, so that it needs no tokens of its own. Each is good once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::error::{Error, ErrorCode};

use super::effect::Given;

#[derive(Debug, Default)]
pub(crate) struct Tickets {
    tickets: HashMap<Box<str>, Ticket>,
    /// When they end, soonest first; some of them have been used.
    ends: BinaryHeap<Reverse<(u64, Box<str>)>>,
}

#[derive(Debug)]
struct Ticket {
    given: Given,
    until_ms: u64,
}

impl Tickets {
    /// Keeps a ticket until a time, in ticks.
    ///
    /// # Errors
    /// `too_many`.
    pub(crate) fn keep(
        &mut self,
        secret: &str,
        given: Given,
        until_ms: u64,
        now_ms: u64,
    ) -> Result<(), Error> {
        while self
            .ends
            .peek()
            .is_some_and(|Reverse((end_ms, secret))| *end_ms <= now_ms || !self.tickets.contains_key(secret))
        {
            if let Some(Reverse((_, secret))) = self.ends.pop() {
                self.tickets.remove(&secret);
            }
        }
        if self.ends.len() > 2 * self.tickets.len() + 16 {
            self.ends.retain(|Reverse((_, secret))| self.tickets.contains_key(secret));
        }
        if self.tickets.len() >= MAX_COUNT {
            let words =
                format!("{MAX_COUNT} tickets are open; give each when it is used, or a shorter ttl_ms");
            return Err(Error::new(ErrorCode::TooMany, words));
        }
        self.ends.push(Reverse((until_ms, secret.into())));
        self.tickets.insert(secret.into(), Ticket { given, until_ms });
        Ok(())
    }

    /// Uses a ticket up. `None`: there is none, or not any more.
    pub(crate) fn take(&mut self, secret: &str, now_ms: u64) -> Option<Given> {
        let ticket = self.tickets.remove(secret)?;
        (ticket.until_ms > now_ms).then_some(ticket.given)
    }
}

const MAX_COUNT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserName;
    use crate::message::Role;

    fn given(name: &str) -> Given {
        Given {
            user: None,
            name: UserName::new(name).unwrap(),
            role: Role::Member,
            rooms: Vec::new(),
            expires_at_ms: None,
        }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_its_time() {
        let mut tickets = Tickets::default();
        tickets.keep("a", given("Ann"), 1_000, 0).unwrap();
        tickets.keep("b", given("Bob"), 1_000, 0).unwrap();
        assert_eq!(tickets.take("a", 999), Some(given("Ann")));
        assert_eq!(tickets.take("a", 999), None);
        assert_eq!(tickets.take("b", 1_000), None);
        assert_eq!(tickets.take("c", 0), None);
    }

    #[test]
    fn what_has_ended_makes_place() {
        let mut tickets = Tickets::default();
        for n in 0..10 {
            tickets.keep(&n.to_string(), given("Ann"), 1_000, 0).unwrap();
        }
        tickets.keep("new", given("Bob"), 2_000, 1_000).unwrap();
        assert_eq!((tickets.tickets.len(), tickets.ends.len()), (1, 1));
    }
}
