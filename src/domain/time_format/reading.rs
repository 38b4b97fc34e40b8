//! A parsed time, and the doubts about it.

use jiff::tz::TimeZone;

use crate::domain::value::Kind;
use crate::domain::{Cell, Date, Instant};

/// A parsed time: the day, the time of day (midnight if the format has none), and the offset from
/// UTC in seconds if the text had one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The day as written.
    pub date: Date,
    /// The time of day, in seconds after midnight.
    pub second_of_day: u32,
    /// The rest of the time of day.
    pub nanoseconds: u32,
    /// Seconds ahead of UTC, if the text gives an offset.
    pub offset: Option<i32>,
    pub has_time: bool,
}

/// Doubts about how a time was read, as flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt(u8);

impl Doubt {
    /// No doubt.
    pub const NONE: Self = Self(0);
    /// Another format of the field reads something else.
    pub const FORMATS: Self = Self(1);
    /// The local time exists twice, because clocks were put back; the earlier instant was taken.
    pub const TWICE: Self = Self(2);
    /// The local time does not exist, because clocks were put forward; it was read as if they had not
    /// been.
    pub const NEVER: Self = Self(4);
    pub const ALL: [Self; 3] = [Self::FORMATS, Self::TWICE, Self::NEVER];

    /// The flags as bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The flags of these bits.
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Reading {
    /// The instant; UTC unless the text gave an offset.
    pub fn instant(self) -> Instant {
        let seconds = i64::from(self.date.days()) * 86_400 + i64::from(self.second_of_day)
            - i64::from(self.offset.unwrap_or(0));
        Instant::new(seconds, self.nanoseconds)
    }

    /// The value of type `kind`, a date or a datetime. A time without an offset is one of the zone, or
    /// of UTC. The date of a time with an offset is its day in the zone; without a zone it is the day
    /// as written. None outside of the years of the calendar.
    pub fn value(self, kind: Kind, zone: Option<&TimeZone>) -> Option<(Cell<'static>, Doubt)> {
        if kind == Kind::Date {
            let zone = zone.filter(|_| self.offset.is_some() && self.has_time);
            let date = match zone {
                None => self.date,
                Some(zone) => {
                    let moment = jiff::Timestamp::new(self.instant().seconds(), 0).ok()?;
                    let day = zone.to_datetime(moment).date();
                    let (month, day_of_month) = (day.month(), day.day());
                    let (month, day_of_month) =
                        (u32::try_from(month).ok()?, u32::try_from(day_of_month).ok()?);
                    Date::from_civil(day.year().into(), month, day_of_month)?
                }
            };
            return Some((Cell::Date(date), Doubt::NONE));
        }
        let Some(zone) = zone.filter(|zone| self.offset.is_none() && **zone != TimeZone::UTC)
        else {
            return Some((Cell::Instant(self.instant()), Doubt::NONE));
        };
        let civil = civil(self.date, self.second_of_day, 0)?;
        // Where clocks are put back, the earlier instant is meant; where they are put forward, the offset before the
        // change applies: RFC 5545, as everywhere.
        let local = zone.to_ambiguous_timestamp(civil);
        let doubt = match local.offset() {
            jiff::tz::AmbiguousOffset::Unambiguous { .. } => Doubt::NONE,
            jiff::tz::AmbiguousOffset::Fold { .. } => Doubt::TWICE,
            jiff::tz::AmbiguousOffset::Gap { .. } => Doubt::NEVER,
        };
        let moment = local.compatible().ok()?;
        Some((Cell::Instant(Instant::new(moment.as_second(), self.nanoseconds)), doubt))
    }
}

pub(super) fn civil(
    date: Date,
    second_of_day: u32,
    nanoseconds: u32,
) -> Option<jiff::civil::DateTime> {
    let (year, month, day) = date.civil();
    let date = jiff::civil::Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    );
    let time = jiff::civil::Time::midnight()
        .checked_add(jiff::SignedDuration::new(
            i64::from(second_of_day),
            i32::try_from(nanoseconds).ok()?,
        ))
        .ok()?;
    Some(date.ok()?.to_datetime(time))
}
