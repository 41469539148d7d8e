//! Measured times as figures.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long each of many calls took.
#[derive(Debug, Default)]
pub struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    /// Does `call`, and counts how long it took.
    pub fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = call();
        self.add(begin.elapsed());
        result
    }

    /// Counts a call that took this long.
    pub fn add(&mut self, elapsed: Duration) {
        self.nanos.push(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts the calls of another as well.
    pub fn append(&mut self, mut other: Self) {
        self.nanos.append(&mut other.nanos);
    }

    /// How many calls there were.
    pub fn len(&self) -> usize {
        self.nanos.len()
    }

    /// Whether there was no call.
    pub fn is_empty(&self) -> bool {
        self.nanos.is_empty()
    }

    /// The time within which the share `share` of all calls was done (nearest
    /// rank), in microseconds; 0 without calls.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let nanos = sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0);
        nanos as f64 / 1_000.0
    }

    /// Figures of calls made over `elapsed`, by however many callers: `n`,
    /// `p50_us`, `p99_us`, and `per_s` over the whole time.
    pub fn figures(&self, elapsed: Duration) -> Value {
        json!({
            "n": self.len(),
            "p50_us": rounded(self.quantile_us(0.5)),
            "p99_us": rounded(self.quantile_us(0.99)),
            "per_s": rounded(rate(self.len(), elapsed)),
        })
    }
}

/// How many a second; 0 if no time went by.
pub fn rate(count: usize, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// To thousandths, as figures are printed.
pub fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile_us(0.5), 0.0);
        for micros in [40, 10, 30, 20] {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.quantile_us(0.5), 20.0);
        assert_eq!(latencies.quantile_us(0.99), 40.0);
        assert_eq!(latencies.figures(Duration::from_secs(2))["per_s"], 2.0);
    }
}
