//! Instants and durations as filters write them.

/// An instant in a filter, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Since the epoch.
    At(i64),
    /// From the moment at which the list began.
    FromNow(i64),
}

impl When {
    /// The instant, given what is now.
    pub(crate) fn at(self, now_us: i64) -> i64 {
        match self {
            Self::At(us) => us,
            Self::FromNow(us) => now_us.saturating_add(us),
        }
    }

    /// Later by a duration, earlier when it is negative.
    pub(crate) fn plus(self, us: i64) -> Option<Self> {
        match self {
            Self::At(at) => at.checked_add(us).map(Self::At),
            Self::FromNow(from) => from.checked_add(us).map(Self::FromNow),
        }
    }
}

/// Microseconds since the epoch of an RFC 3339 text.
pub(crate) fn timestamp(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_microsecond)
}

/// Microseconds of a duration such as `90m`, `-1.5h` or `1h30m`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let (amount, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| c.is_alphabetic());
        nanos = nanos.checked_add(of(amount, unit)?)?;
        rest = after;
    }
    i64::try_from(sign * nanos / 1_000).ok()
}

/// Splits after the characters that belong.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// Nanoseconds of a decimal amount of a unit.
fn of(amount: &str, unit: &str) -> Option<i128> {
    let nanos: i128 = match unit {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" | "µs" => 1_000,
        "ns" => 1,
        _ => return None,
    };
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') || part.len() > 18 {
        return None;
    }
    let number = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<i128>().ok(),
    };
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let fraction = number(part)?.checked_mul(nanos)? / scale;
    number(whole)?.checked_mul(nanos)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_cel_writes_them() {
        assert_eq!(duration("1h30m"), Some(5_400_000_000));
        assert_eq!(duration("-1.5h"), Some(-5_400_000_000));
        assert_eq!(duration("250ms"), Some(250_000));
        assert_eq!(duration("1s1us"), Some(1_000_001));
        for wrong in [
            "",
            "-",
            "1",
            "h",
            "1d",
            "1..5s",
            ".s",
            "1h-5m",
            "99999999999999999999h",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn timestamps_are_read_with_their_offset() {
        assert_eq!(timestamp("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(timestamp("1970-01-01T00:00:00.000001Z"), Some(1));
        assert_eq!(timestamp("yesterday"), None);
        assert_eq!(timestamp("1970-01-01"), None);
    }
}
