//! The arithmetic of figures: exact integers from microseconds in to
//! milliseconds out, never a float.

/// How values are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Number of values.
    pub n: i64,
    /// Number of members of the cohort that lack what the metric needs.
    pub n_missing: i64,
    /// The figures; none when there is no value.
    pub spread: Option<Spread>,
}

/// The figures of a distribution, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The mean.
    pub mean_ms: i64,
    /// The median.
    pub p50_ms: i64,
    /// The 75th percentile.
    pub p75_ms: i64,
    /// The 90th percentile.
    pub p90_ms: i64,
    /// The 95th percentile.
    pub p95_ms: i64,
    /// The largest value.
    pub max_ms: i64,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratio {
    /// The part.
    pub numerator: i64,
    /// The whole.
    pub denominator: i64,
    /// Those of the whole that may still come to count in the part.
    pub n_provisional: i64,
}

impl Distribution {
    /// The distribution of values in microseconds, which it reorders.
    pub fn of(values_us: &mut [i64]) -> Self {
        values_us.sort_unstable();
        Self {
            n: count(values_us.len()),
            n_missing: 0,
            spread: Spread::of(values_us),
        }
    }
}

impl Spread {
    fn of(sorted_us: &[i64]) -> Option<Self> {
        let sum: i128 = sorted_us.iter().copied().map(i128::from).sum();
        let n = i128::from(count(sorted_us.len()));
        let rank = |percent| nearest_rank(sorted_us, percent).map(|us| millis(us.into(), 1));
        Some(Self {
            mean_ms: millis(sum, n),
            p50_ms: rank(50)?,
            p75_ms: rank(75)?,
            p90_ms: rank(90)?,
            p95_ms: rank(95)?,
            max_ms: rank(100)?,
        })
    }
}

/// The smallest value with at least that share of the values at or below it.
fn nearest_rank(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (percent * sorted.len()).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// `sum_us / n` in milliseconds, rounded half away from zero.
fn millis(sum_us: i128, n: i128) -> i64 {
    let divisor = n.max(1) * 1_000;
    let rounded = (2 * sum_us.abs() + divisor) / (2 * divisor);
    i64::try_from(sum_us.signum() * rounded).unwrap_or(i64::MAX)
}

/// A length as it stands on the wire.
pub fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_a_value_and_never_between_two() {
        let twenty: Vec<i64> = (1..=20).collect();
        let ranks = [50, 75, 90, 95, 100].map(|percent| nearest_rank(&twenty, percent).unwrap());
        assert_eq!(ranks, [10, 15, 18, 19, 20]);
        let three = [1, 2, 3];
        assert_eq!(
            [50, 75, 90, 95, 100].map(|percent| nearest_rank(&three, percent).unwrap()),
            [2, 3, 3, 3, 3]
        );
        assert_eq!(nearest_rank(&[7], 50), Some(7));
        assert_eq!(nearest_rank(&[], 50), None);
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        assert_eq!(
            [1_499, 1_500, 1_501, 499, 500, 0].map(|us| millis(us, 1)),
            [1, 2, 2, 0, 1, 0]
        );
        assert_eq!(
            [-1_499, -1_500, -500, -499].map(|us| millis(us, 1)),
            [-1, -2, -1, 0]
        );
        assert_eq!(millis(3_000, 2), 2);
        assert_eq!(millis(2_999, 2), 1);
    }

    #[test]
    fn no_value_gives_no_figures() {
        assert_eq!(
            Distribution::of(&mut []),
            Distribution {
                n: 0,
                n_missing: 0,
                spread: None
            }
        );
    }

    #[test]
    fn the_mean_of_huge_values_is_exact() {
        let mut values = vec![i64::MAX; 1_000];
        let spread = Distribution::of(&mut values).spread.unwrap();
        assert_eq!(spread.mean_ms, 9_223_372_036_854_776);
        assert_eq!(spread.max_ms, spread.mean_ms);
    }

    #[test]
    fn order_does_not_matter() {
        let spread = Distribution::of(&mut [5_000, 1_000, 4_000, 2_000, 3_000])
            .spread
            .unwrap();
        assert_eq!(
            [
                spread.mean_ms,
                spread.p50_ms,
                spread.p75_ms,
                spread.p90_ms,
                spread.max_ms
            ],
            [3, 3, 4, 5, 5]
        );
    }
}
