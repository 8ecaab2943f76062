//! How far a limit is raised: a rule, and the ceilings above it.

use super::config::Config;
use crate::model::Bytes;

/// What a raise may not exceed, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ceiling {
    pub(super) bytes: u64,
    pub(super) by: &'static str,
}

/// The limit after a raise, in whole MiB, or the ceiling that forbids it.
///
/// `needs` is what is known to be needed, as by a heap of fixed size.
pub(super) fn raised(
    config: &Config,
    limit: u64,
    needs: Option<u64>,
    ceilings: &[Ceiling],
) -> Result<u64, Ceiling> {
    let percent = u128::from(limit) * (100 + u128::from(config.increase_percent));
    let percent = u64::try_from(percent.div_ceil(100)).unwrap_or(u64::MAX);
    let wanted = percent
        .max(limit.saturating_add(config.min_increase.0))
        .max(needs.unwrap_or(0));
    let wanted = Bytes(wanted).ceil_mib().0;
    let lowest = ceilings.iter().min_by_key(|c| (c.bytes, c.by)).copied();
    match lowest {
        Some(ceiling) if ceiling.bytes < wanted => {
            let whole = Bytes::from_mib(Bytes(ceiling.bytes).mib()).0;
            // A raise by less than a twentieth is not worth its restart.
            if whole <= limit.saturating_add(limit / 20) {
                Err(ceiling)
            } else {
                Ok(whole)
            }
        }
        _ => Ok(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn up(limit: u64, ceiling: u64) -> Result<u64, Ceiling> {
        let ceiling = Ceiling {
            bytes: ceiling * MIB,
            by: "original",
        };
        raised(&Config::default(), limit * MIB, None, &[ceiling]).map(|b| b / MIB)
    }

    #[test]
    fn a_raise_adds_a_fifth_or_a_hundred_mib_below_its_ceiling() {
        assert_eq!(up(64, 128), Ok(128));
        assert_eq!(up(256, 512), Ok(356));
        assert_eq!(up(1024, 2048), Ok(1229));
        assert!(up(128, 128).is_err());
        assert!(up(1000, 1049).is_err());
        assert_eq!(up(1000, 1051), Ok(1051));
    }

    #[test]
    fn raises_end_whatever_is_killed() {
        // The limit only grows, and never above the ceiling.
        let mut limit = 256;
        let mut steps = 0;
        while let Ok(next) = up(limit, 512) {
            assert!(next > limit && next <= 512);
            limit = next;
            steps += 1;
        }
        assert_eq!((limit, steps), (512, 3));
    }
}
