//! How long things took: a histogram that costs the same however much is put into it.

/// Nanoseconds, in steps of a 64th of their size.
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram { buckets: vec![0; 64 << STEP_BITS], count: 0, max: 0 }
    }

    pub(crate) fn add(&mut self, nanoseconds: u64) {
        self.buckets[bucket_of(nanoseconds)] += 1;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// The least value that `share` (0 to 1) of all values do not exceed, in microseconds; 0 when there is none.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_edge(bucket).min(self.max) as f64 / 1000.0;
            }
        }
        0.0
    }

    pub(crate) fn max_us(&self) -> f64 {
        self.max as f64 / 1000.0
    }
}

fn bucket_of(value: u64) -> usize {
    if value < 1 << STEP_BITS {
        return value as usize;
    }
    let exponent = u64::BITS - 1 - value.leading_zeros();
    let step = (value >> (exponent - STEP_BITS)) & ((1 << STEP_BITS) - 1);
    (((exponent - STEP_BITS + 1) as usize) << STEP_BITS) + step as usize
}

/// The largest value that a bucket holds.
fn upper_edge(bucket: usize) -> u64 {
    let (row, step) = ((bucket >> STEP_BITS) as u32, (bucket & ((1 << STEP_BITS) - 1)) as u64);
    match row {
        0 => step,
        _ => ((step + (1 << STEP_BITS) + 1) << (row - 1)).wrapping_sub(1),
    }
}

/// Each power of two is cut into 2 to the power of this many steps.
const STEP_BITS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_64th() {
        let mut histogram = Histogram::new();
        for value in 1..=100_000 {
            histogram.add(value * 1000);
        }
        for (share, right) in [(0.5, 50_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let got = histogram.quantile_us(share);
            assert!((right..=right * 1.02).contains(&got), "{share}: {got}");
        }
        assert_eq!(histogram.max_us(), 100_000.0);
    }

    #[test]
    fn every_value_lies_below_the_edge_of_its_bucket_and_above_the_one_before() {
        for value in (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, (1 << bit) + 1]) {
            let bucket = bucket_of(value);
            assert!(value <= upper_edge(bucket), "{value}");
            assert!(bucket == 0 || value > upper_edge(bucket - 1), "{value}");
        }
    }

    #[test]
    fn nothing_has_quantile_zero() {
        assert_eq!(Histogram::new().quantile_us(0.99), 0.0);
    }
}
