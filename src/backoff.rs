//! How long to wait before the next try: pure, so that it needs no clock to be tested.

use std::time::Duration;

/// No wait is longer: progress must be seen within a minute of the far side's return.
pub const WAIT_MAX: Duration = Duration::from_secs(15);

/// The wait before try number `attempt` (0 is the first retry): 0.2 s doubled, up to [`WAIT_MAX`],
/// scaled by `jitter` in 0..1 to between a half and the whole, so that lanes do not return in step.
pub fn wait(attempt: u32, jitter: f64) -> Duration {
    let doubled = Duration::from_millis(200).saturating_mul(2_u32.saturating_pow(attempt.min(16)));
    doubled.min(WAIT_MAX).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_and_stops_doubling() {
        assert_eq!(wait(0, 1.0), Duration::from_millis(200));
        assert_eq!(wait(3, 1.0), Duration::from_millis(1600));
        assert_eq!(wait(3, 0.0), Duration::from_millis(800));
        assert_eq!(wait(60, 1.0), WAIT_MAX);
    }
}
