//! How the record of a difference was matched.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ABSENT;
use super::encode::id;

/// How many features there are.
pub const COUNT: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MatchFacts {
    pub pass: f32,
    pub certificate: f32,
    pub shape: f32,
    pub members: f32,
    pub distance: f32,
    pub candidates: f32,
}

/// The part of a [`Matched`](crate::domain::Matched) that is read here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct MatchJson {
    pass: Option<String>,
    certificate: Option<String>,
    shape: Option<String>,
    distance: Option<f64>,
    a: Vec<IgnoredAny>,
    b: Vec<IgnoredAny>,
    candidates: Vec<IgnoredAny>,
}

impl MatchFacts {
    const NONE: Self = Self {
        pass: ABSENT,
        certificate: ABSENT,
        shape: ABSENT,
        members: ABSENT,
        distance: ABSENT,
        candidates: ABSENT,
    };

    /// From the JSON of how the record was matched.
    pub fn of(matched: Option<&str>) -> Self {
        let told = matched.and_then(|text| serde_json::from_str::<MatchJson>(text).ok());
        let Some(told) = told else { return Self::NONE };
        let name = |name: &Option<String>| name.as_deref().map_or(ABSENT, id);
        if told.pass.is_none() {
            return Self { candidates: told.candidates.len() as f32, ..Self::NONE };
        }
        Self {
            pass: name(&told.pass),
            certificate: name(&told.certificate),
            shape: name(&told.shape),
            // A pair has no list of members.
            members: (told.a.len() + told.b.len()).max(2) as f32,
            distance: told
                .distance
                .map_or(ABSENT, |distance| (1.0 + distance.abs()).log10() as f32),
            candidates: ABSENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_and_open_rows_have_facts_of_their_own() {
        assert_eq!(MatchFacts::of(None), MatchFacts::NONE);
        let pair = MatchFacts::of(Some(
            r#"{"pass":"near","shape":"one_to_one","certificate":"UNIQUE","distance":9.0}"#,
        ));
        assert_eq!((pair.members, pair.distance, pair.candidates), (2.0, 1.0, ABSENT));
        assert!(pair.pass >= 0.0 && pair.pass != pair.shape);
        let group = MatchFacts::of(Some(r#"{"pass":"split","a":[{}],"b":[{},{},{}]}"#));
        assert_eq!((group.members, group.distance), (4.0, ABSENT));
        let open = MatchFacts::of(Some(r#"{"candidates":[{"ref":"B:3"},{"ref":"B:4"}]}"#));
        assert_eq!((open.pass, open.candidates), (ABSENT, 2.0));
    }
}
