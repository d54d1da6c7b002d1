//! What is measured: each case, its load, its figures and its goals.

use crate::load::spec::{Mode, Pattern};

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What happens in it, for people.
    pub(crate) meaning: &'static str,
    pub(crate) load: Pattern,
    pub(crate) way: Way,
    /// Not in a quick run.
    pub(crate) is_long: bool,
    /// The servers that take part, where it is not all that can; a long case and slow peers would take an hour.
    pub(crate) only: &'static [&'static str],
    /// The figures that the table shows, the first before all.
    pub(crate) figures: &'static [Figure],
    pub(crate) goals: &'static [Goal],
}

/// How the clients and the server talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    /// Plain, and the clients speak `klatsch.v1`.
    V1,
    Tls,
    Deflate,
    /// Plain, and the server has the limits of every day.
    Guarded,
}

/// A figure of the load, and how it is shown.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What it is divided by before it is shown.
    pub(crate) divisor: f64,
    pub(crate) digits: usize,
    /// Shown as a multiple of the bare loop's and of Bun's too.
    pub(crate) is_compared: bool,
}

/// What Klatsch's figure is to be: at most, or at least, so many times something.
pub(crate) struct Goal {
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
    pub(crate) limit: f64,
    pub(crate) of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

/// What a goal is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Itself: the limit is the figure.
    Number,
    /// Another server's figure in this case.
    Server(&'static str),
    /// The same server's figure in another case.
    Case(&'static str),
    /// The lowest figure of all other servers but the bare loop.
    BestPeer,
}

const COST: Figure =
    Figure { name: "ns_per_delivery", title: "ns per delivery", divisor: 1.0, digits: 0, is_compared: true };
const LATENCY_P50: Figure =
    Figure { name: "latency_p50_us", title: "p50, ms", divisor: 1000.0, digits: 1, is_compared: false };
const LATENCY_P99: Figure = Figure { name: "latency_p99_us", title: "p99, ms", ..LATENCY_P50 };
const RATE: Figure = Figure {
    name: "deliveries_per_s",
    title: "1,000 deliveries a second",
    divisor: 1000.0,
    digits: 0,
    is_compared: false,
};
const GROWN: Figure =
    Figure { name: "grown_bytes", title: "memory grown, MB", divisor: 1e6, digits: 1, is_compared: false };
const BYTES: Figure = Figure {
    name: "bytes_per_connection",
    title: "bytes a connection",
    divisor: 1.0,
    digits: 0,
    is_compared: true,
};
const IDLE: Figure =
    Figure { name: "idle_percent", title: "idle, % of a core", divisor: 1.0, digits: 3, is_compared: false };
const SESSION: Figure =
    Figure { name: "us_per_session", title: "µs per session", divisor: 1.0, digits: 1, is_compared: true };
const GOOD_P99: Figure = Figure {
    name: "good_p99_ms",
    title: "a good client comes in, p99, ms",
    divisor: 1.0,
    digits: 1,
    is_compared: false,
};
const DOUBLE: Figure = Figure {
    name: "ratio_of_double",
    title: "twice as much costs, times",
    divisor: 1.0,
    digits: 2,
    is_compared: false,
};

const FANOUT_FIGURES: &[Figure] = &[COST, RATE, LATENCY_P50, LATENCY_P99];
const GATHERED: &[Goal] = &[
    at_most("ns_per_delivery", 1.0, Of::Server("floor")),
    at_most("ns_per_delivery", 0.6, Of::Server("bun")),
    at_most("ns_per_delivery", 1.0 / 45.0, Of::Server("ws")),
];
const SECURE: &[Goal] =
    &[at_most("ns_per_delivery", 0.7, Of::Server("bun")), at_most("ns_per_delivery", 0.1, Of::Server("ws"))];
/// The engine, the bare loop, and the peers that people come from.
const FEW: &[&str] = &["klatsch", "floor", "bun", "ws", "websocket"];

/// Those that are written for many members.
const FASTEST: &[&str] = &["klatsch", "floor", "bun"];

const AFTERWARDS: Goal = at_most("idle_percent", 1.0, Of::Number);

const fn at_most(figure: &'static str, limit: f64, of: Of) -> Goal {
    Goal { figure, bound: Bound::AtMost, limit, of }
}

const fn fanout(clients: usize, senders: usize, window: u32, measured_s: f64) -> Pattern {
    Pattern { clients, senders, window, measured_s, ..Pattern::new(Mode::Fanout) }
}

const fn rated(rate: f64, measured_s: f64) -> Pattern {
    Pattern { rate, ..fanout(1000, 10, 0, measured_s) }
}

/// 50 who read, and so many who never do.
const fn slow(slow: usize) -> Pattern {
    Pattern { slow, size: 4096, rate: 500.0, ..fanout(50 + slow, 5, 0, 9.0) }
}

const fn quiet(clients: usize, measured_s: f64) -> Pattern {
    Pattern { clients, measured_s, ..Pattern::new(Mode::Idle) }
}

/// A case in which the clients speak `klatsch.v1`. Only this engine knows it: what it is compared with is its own figure
/// in the case of the same load.
const fn v1(name: &'static str, meaning: &'static str, load: Pattern, figures: &'static [Figure]) -> Case {
    Case { way: Way::V1, only: &["klatsch"], ..case(name, meaning, load, figures) }
}

const fn attack(mode: Mode, clients: usize) -> Pattern {
    Pattern { clients, measured_s: 4.0, ..Pattern::new(mode) }
}

const fn case(name: &'static str, meaning: &'static str, load: Pattern, figures: &'static [Figure]) -> Case {
    Case { name, meaning, load, way: Way::Plain, is_long: false, only: &[], figures, goals: &[] }
}

/// Every case, in the order they are run and shown.
pub(crate) const CASES: &[Case] = &[
    Case {
        goals: GATHERED,
        ..case(
            "fan100",
            "100 members, 10 of them talking with 8 messages under way each",
            fanout(100, 10, 8, 2.5),
            FANOUT_FIGURES,
        )
    },
    Case {
        goals: GATHERED,
        ..case(
            "fan1000",
            "1,000 members, 10 of them talking with 8 messages under way each",
            fanout(1000, 10, 8, 3.0),
            FANOUT_FIGURES,
        )
    },
    Case {
        goals: GATHERED,
        ..case(
            "bun32",
            "32 members, all talking with 4 messages under way each",
            fanout(32, 32, 4, 2.5),
            FANOUT_FIGURES,
        )
    },
    case(
        "fan1000w1",
        "1,000 members, 10 of them talking with 1 message under way each",
        fanout(1000, 10, 1, 2.5),
        FANOUT_FIGURES,
    ),
    Case {
        goals: &[at_most("ns_per_delivery", 1.05, Of::Server("floor"))],
        ..case("single1000", "1,000 members, one message at a time", fanout(1000, 1, 1, 2.5), FANOUT_FIGURES)
    },
    Case {
        goals: &[at_most("ns_per_delivery", 1.3, Of::Case("fan1000"))],
        only: FEW,
        ..case(
            "fan5000",
            "5,000 members, 10 of them talking with 8 messages under way each",
            fanout(5000, 10, 8, 3.0),
            FANOUT_FIGURES,
        )
    },
    Case {
        is_long: true,
        goals: &[at_most("ns_per_delivery", 1.3, Of::Case("fan1000"))],
        only: FASTEST,
        ..case(
            "fan15000",
            "15,000 members, 10 of them talking with 8 messages under way each",
            fanout(15_000, 10, 8, 4.0),
            FANOUT_FIGURES,
        )
    },
    v1("fan100-v1", "as fan100, in `klatsch.v1`", fanout(100, 10, 8, 2.5), FANOUT_FIGURES),
    v1("fan1000-v1", "as fan1000, in `klatsch.v1`", fanout(1000, 10, 8, 3.0), FANOUT_FIGURES),
    v1("single1000-v1", "as single1000, in `klatsch.v1`", fanout(1000, 1, 1, 2.5), FANOUT_FIGURES),
    Case {
        way: Way::Deflate,
        goals: &[at_most("ns_per_delivery", 1.2, Of::Case("fan1000"))],
        ..case(
            "deflate1000",
            "as fan1000, and the clients offer permessage-deflate",
            fanout(1000, 10, 8, 3.0),
            FANOUT_FIGURES,
        )
    },
    Case {
        way: Way::Tls,
        goals: SECURE,
        ..case("wss100", "as fan100, over TLS", fanout(100, 10, 8, 2.5), FANOUT_FIGURES)
    },
    Case {
        way: Way::Tls,
        goals: SECURE,
        ..case("wss1000", "as fan1000, over TLS", fanout(1000, 10, 8, 3.0), FANOUT_FIGURES)
    },
    Case {
        goals: &[
            at_most("bytes_per_connection", 505.0, Of::Number),
            at_most("idle_percent", 0.1, Of::Number),
        ],
        only: FEW,
        ..case(
            "idle5000",
            "5,000 members, silent; the time is long enough for each server's heartbeats to come round",
            quiet(5000, 30.0),
            &[BYTES, IDLE],
        )
    },
    v1(
        "idle5000-v1",
        "as idle5000, in `klatsch.v1`: each has a session, a user of its own and a place in a room",
        quiet(5000, 30.0),
        &[BYTES, IDLE],
    ),
    Case {
        is_long: true,
        goals: &[at_most("bytes_per_connection", 505.0, Of::Number)],
        only: FEW,
        ..case("idle19000", "19,000 members, silent", quiet(19_000, 5.0), &[BYTES, IDLE])
    },
    Case {
        way: Way::Tls,
        goals: &[at_most("bytes_per_connection", 8192.0, Of::Number)],
        ..case("wssidle2000", "2,000 members, silent, over TLS", quiet(2000, 3.0), &[BYTES, IDLE])
    },
    Case {
        goals: &[at_most("us_per_session", 1.1, Of::Server("floor"))],
        ..case(
            "churn",
            "32 at a time connect, see a history of 100, take a name, leave",
            Pattern { clients: 32, prefill: 100, measured_s: 2.5, ..Pattern::new(Mode::Churn) },
            &[SESSION],
        )
    },
    Case {
        only: FEW,
        ..case(
            "unhindered",
            "50 members, 5 of them saying 500 messages of 4 KB a second together",
            slow(0),
            &[LATENCY_P50, LATENCY_P99, RATE],
        )
    },
    Case {
        goals: &[
            at_most("latency_p99_us", 1.2, Of::Case("unhindered")),
            Goal {
                figure: "deliveries_per_s",
                bound: Bound::AtLeast,
                limit: 0.95,
                of: Of::Case("unhindered"),
            },
            // Ten times the most that may wait for one connection.
            at_most("grown_bytes", 10.0 * 1_048_576.0 * 1.1, Of::Number),
        ],
        only: FEW,
        ..case(
            "slow",
            "as unhindered, and 10 more members who never read",
            slow(10),
            &[LATENCY_P50, LATENCY_P99, RATE, GROWN],
        )
    },
    Case {
        goals: &[at_most("latency_p99_us", 1.0, Of::BestPeer)],
        ..case(
            "rate20",
            "20 messages a second to 1,000 members",
            rated(20.0, 12.0),
            &[LATENCY_P50, LATENCY_P99],
        )
    },
    Case {
        is_long: true,
        goals: &[at_most("latency_p99_us", 1.0, Of::BestPeer)],
        ..case(
            "rate200",
            "200 messages a second to 1,000 members",
            rated(200.0, 5.0),
            &[LATENCY_P50, LATENCY_P99],
        )
    },
    Case {
        only: &["klatsch"],
        goals: &[at_most("lost", 0.0, Of::Number), at_most("doubled", 0.0, Of::Number)],
        ..case(
            "storm5000",
            "5,000 members of a room drop at once, miss 100 messages and come back (`klatsch.v1`)",
            Pattern { clients: 5000, prefill: 100, ..Pattern::new(Mode::Storm) },
            &[
                Figure { name: "whole_ms", title: "until all are whole, ms", ..GOOD_P99 },
                Figure { name: "us_per_resume", title: "µs per resume", digits: 0, ..GOOD_P99 },
                Figure { name: "resume_p50_us", title: "a client is whole, p50, ms", ..LATENCY_P50 },
                Figure { name: "resume_p99_us", title: "p99, ms", ..LATENCY_P50 },
                Figure { name: "lost", title: "records lost", digits: 0, ..GOOD_P99 },
                Figure { name: "doubled", title: "records doubled", digits: 0, ..GOOD_P99 },
                GROWN,
            ],
        )
    },
    Case {
        way: Way::Guarded,
        goals: &[at_most("good_p99_ms", 100.0, Of::Number), AFTERWARDS],
        ..case(
            "slowloris",
            "2,000 clients from 40 addresses send half a request and wait; then good clients come",
            attack(Mode::Slowloris, 2000),
            &[GOOD_P99, IDLE],
        )
    },
    Case {
        way: Way::Guarded,
        goals: &[
            at_most("us_per_connection", 5000.0, Of::Number),
            at_most("ratio_of_double", 3.0, Of::Number),
            AFTERWARDS,
        ],
        ..case(
            "headers",
            "a request of 64 KiB of header, in writes of one byte; and one of 32 KiB",
            attack(Mode::Headers, 100),
            &[
                Figure {
                    name: "us_per_connection",
                    title: "µs per connection",
                    divisor: 1.0,
                    digits: 0,
                    is_compared: false,
                },
                DOUBLE,
                IDLE,
            ],
        )
    },
    Case {
        way: Way::Guarded,
        goals: &[at_most("ratio_of_double", 3.0, Of::Number), AFTERWARDS],
        ..case(
            "fragments",
            "a message of 60,000 bytes in 30,000 fragments; and in 15,000 (the limit on fragments is lifted)",
            attack(Mode::Fragments, 10),
            &[
                Figure {
                    name: "us_per_message",
                    title: "µs per message",
                    divisor: 1.0,
                    digits: 0,
                    is_compared: false,
                },
                DOUBLE,
                IDLE,
            ],
        )
    },
    Case {
        way: Way::Guarded,
        goals: &[at_most("good_p99_ms", 100.0, Of::Number), AFTERWARDS],
        ..case(
            "oneaddress",
            "one address connects 5,000 times, far over its limit; meanwhile good clients come from another",
            attack(Mode::OneAddress, 5000),
            &[GOOD_P99, IDLE],
        )
    },
];

impl Case {
    /// The case of the same load in which the clients speak the tutorial's texts, where these speak `klatsch.v1`.
    pub(crate) fn tutorial(&self) -> Option<&'static Case> {
        self.name.strip_suffix("-v1").and_then(find)
    }
}

/// The case of this name.
pub(crate) fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers;

    #[test]
    fn every_goal_is_about_something_that_is_there() {
        for case in CASES {
            for goal in case.goals {
                match goal.of {
                    Of::Case(other) => assert!(find(other).is_some(), "{other}"),
                    Of::Server(other) => assert!(servers::find(other).is_some(), "{other}"),
                    Of::Number | Of::BestPeer => {}
                }
                assert!(goal.limit >= 0.0 && case.figures.iter().any(|figure| figure.name == goal.figure));
            }
        }
    }

    #[test]
    fn every_case_of_klatsch_v1_has_the_load_of_one_of_the_tutorial() {
        for case in CASES {
            let tutorial = case.tutorial();
            assert_eq!(tutorial.is_some(), case.way == Way::V1, "{}", case.name);
            assert!(tutorial.is_none_or(|other| other.way == Way::Plain && other.load == case.load));
        }
    }

    #[test]
    fn no_two_cases_share_a_name() {
        for case in CASES {
            assert_eq!(CASES.iter().filter(|other| other.name == case.name).count(), 1, "{}", case.name);
        }
    }
}
