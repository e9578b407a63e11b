//! Random bytes of the operating system, for names and for the administrator's token.

use crate::error::{Error, Result};

/// `BYTES` random bytes, two hexadecimal digits each.
pub(crate) fn hexadecimal<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random { reason: error.to_string() })?;
    Ok(hex::encode(bytes))
}

/// A random number from `low` up to, but without, `high`.
pub(crate) fn between(low: u16, high: u16) -> Result<u16> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random { reason: error.to_string() })?;
    let span = u64::from(high.saturating_sub(low).max(1));
    // The remainder is below 65536, so nothing is lost.
    Ok(low.saturating_add(u16::try_from(u64::from_ne_bytes(bytes) % span).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range_and_names_differ() {
        for _ in 0..1000 {
            assert!((20..23).contains(&between(20, 23).unwrap()));
        }
        assert_ne!(hexadecimal::<8>().unwrap(), hexadecimal::<8>().unwrap());
        assert_eq!(hexadecimal::<8>().unwrap().len(), 16);
    }
}
