//! The arithmetic of the figures, apart so that it can be tested.

/// A part of a whole; both are counts far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub fn per(count: usize, of: usize) -> f64 {
    count as f64 / of.max(1) as f64
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank): a value that was measured,
/// never one between two. Of 20 values p99 is the largest.
pub fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// What no operator can undercut that sends one id a call: the last of N requests goes N / rate after the first, the
/// cloud takes its time for it, and the proof of absence takes two looks this far apart.
pub fn least_makespan(deletions: usize, per_second: f64, destroy_seconds: f64, spacing_seconds: f64) -> f64 {
    per(deletions, 1) / per_second + destroy_seconds + spacing_seconds
}

/// Kibibytes, as /proc has them, in megabytes (10^6), as disks and images are sold.
pub fn megabytes(kibibytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
    let bytes = (kibibytes * 1024) as f64;
    bytes / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50), Some(50.0));
        assert_eq!(percentile(&values, 99), Some(99.0));
        assert_eq!(percentile(&values[..20], 99), Some(100.0), "of 20 the largest");
        assert_eq!(percentile(&[7.0], 50), Some(7.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn the_bound_is_the_pace_the_destroy_and_the_proof() {
        assert!((least_makespan(300, 18.0, 3.0, 1.0) - 20.667).abs() < 0.001);
        assert!((least_makespan(1, 18.0, 0.0, 1.0) - 1.056).abs() < 0.001);
    }

    #[test]
    fn shares_and_sizes_are_in_the_units_that_the_file_names() {
        assert!((per(303, 300) - 1.01).abs() < 1e-9);
        assert!(per(0, 0).abs() < 1e-9);
        assert!((megabytes(1_000_000) - 1024.0).abs() < 1e-9);
    }
}
