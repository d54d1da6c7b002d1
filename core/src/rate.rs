//! How often something may happen.

/// A rate: so many a second in the long run, so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// 0: no limit.
    pub(crate) per_second: u64,
    pub(crate) burst: u64,
}

/// What one sender has used up of a [`Rate`]: the generic cell rate algorithm, in one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// When the bucket will be full again, in microseconds.
    full_at_us: u64,
}

impl Bucket {
    /// When one may be taken, in milliseconds; not after `now_ms` while something is left.
    pub(crate) fn next_at_ms(&self, rate: Rate, now_ms: u64) -> u64 {
        if rate.per_second == 0 {
            return now_ms;
        }
        let slack_us = 1_000_000 / rate.per_second * (rate.burst - 1);
        self.full_at_us.saturating_sub(slack_us).div_ceil(1_000)
    }

    /// Takes one from the bucket, even if nothing is left: then what comes next has to wait for longer.
    pub(crate) fn take(&mut self, rate: Rate, now_ms: u64) {
        if let Some(interval_us) = 1_000_000_u64.checked_div(rate.per_second) {
            self.full_at_us = self.full_at_us.max(now_ms * 1_000) + interval_us;
        }
    }

    /// Whether the bucket is at least half full: its sender has let up.
    pub(crate) fn has_recovered(&self, rate: Rate, now_ms: u64) -> bool {
        rate.per_second == 0
            || self.full_at_us <= now_ms * 1_000 + 1_000_000 / rate.per_second * rate.burst / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 2, burst: 3 };

    fn taken(bucket: &mut Bucket, rate: Rate, now_ms: u64) -> bool {
        let may = bucket.next_at_ms(rate, now_ms) <= now_ms;
        if may {
            bucket.take(rate, now_ms);
        }
        may
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert!(taken(&mut bucket, RATE, 1_000));
        }
        assert!(!taken(&mut bucket, RATE, 1_000));
        assert_eq!(bucket.next_at_ms(RATE, 1_000), 1_500);
        assert!(!taken(&mut bucket, RATE, 1_499));
        assert!(taken(&mut bucket, RATE, 1_500));
        assert!(!taken(&mut bucket, RATE, 1_500));
    }

    #[test]
    fn what_is_taken_beyond_the_rate_is_waited_for_later() {
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            bucket.take(RATE, 0);
        }
        assert_eq!(bucket.next_at_ms(RATE, 0), 1_500);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut bucket = Bucket::default();
        let none = Rate { per_second: 0, burst: 1 };
        assert!((0..10_000).all(|_| taken(&mut bucket, none, 0)));
    }

    #[test]
    fn a_sender_who_lets_up_recovers() {
        let mut bucket = Bucket::default();
        while taken(&mut bucket, RATE, 0) {}
        assert!(!bucket.has_recovered(RATE, 0));
        assert!(bucket.has_recovered(RATE, 1_000));
    }
}
