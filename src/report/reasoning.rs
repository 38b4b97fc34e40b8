//! What stands behind an attribution, in words: the notes of rules, and what a model said for itself.

use serde::Deserialize;

use super::figures;

/// The explanation that is stored with an attribution.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Reasoning {
    /// Sentences.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The model, where it was asked.
    #[serde(default)]
    pub model: Option<ModelSays>,
}

/// What a model said for itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ModelSays {
    /// The model's version.
    pub version: String,
    /// The likeliest reasons.
    pub reasons: Vec<Guess>,
    /// What it says of the likeliest before it looks.
    pub base: f64,
    /// The features that moved the likeliest most.
    pub features: Vec<Moved>,
    /// What all other features did.
    pub other: f64,
    /// What calibration did.
    pub calibration: f64,
    /// Unlike anything that it was trained on.
    pub novel: bool,
}

/// A reason and its probability.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Guess {
    /// The reason.
    pub code: String,
    /// The probability.
    pub probability: f64,
}

/// What a feature did to the probability of the likeliest reason.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Moved {
    /// The feature.
    pub name: String,
    /// Its value; nothing where it does not apply.
    pub value: Option<f64>,
    /// What it added or took.
    pub moved: f64,
}

impl Reasoning {
    /// Reads a stored explanation; what can't be read has nothing to say.
    pub fn read(explanation: Option<&str>) -> Self {
        explanation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// All of it in one line.
    pub fn line(&self) -> String {
        let mut sentences = self.notes.clone();
        sentences.extend(self.model.as_ref().map(ModelSays::line));
        sentences.join(" ")
    }
}

impl ModelSays {
    /// The likeliest reasons with their probabilities.
    pub fn reasons(&self) -> String {
        let reasons: Vec<String> = self
            .reasons
            .iter()
            .map(|guess| format!("{} {}", guess.code, figures::percent(guess.probability)))
            .collect();
        format!("model {}: {}", self.version, reasons.join(", "))
    }

    /// How the probability of the likeliest comes about, term by term.
    pub fn terms(&self) -> Vec<String> {
        let mut terms = vec![format!("{:+.3}  before looking", self.base)];
        terms.extend(self.features.iter().map(|feature| match feature.value {
            Some(value) => format!("{:+.3}  {} = {}", feature.moved, feature.name, short(value)),
            None => format!("{:+.3}  {} does not apply", feature.moved, feature.name),
        }));
        terms.push(format!("{:+.3}  all other features", self.other));
        terms.push(format!("{:+.3}  calibration", self.calibration));
        let sum = self.reasons.first().map_or(0.0, |guess| guess.probability);
        terms.push(format!("={sum:.3}"));
        terms
    }

    fn line(&self) -> String {
        let features: Vec<String> = self
            .features
            .iter()
            .take(3)
            .map(|feature| format!("{} {:+.2}", feature.name, feature.moved))
            .collect();
        format!("{} ({})", self.reasons(), features.join(", "))
    }
}

/// A number with at most four digits behind the point.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_said_is_told_term_by_term() {
        let stored = r#"{"notes":["a note."],"model":{"version":"3","reasons":[
            {"code":"FX_VARIANCE","probability":0.93},{"code":"OTHER","probability":0.07}],
            "base":0.08,"features":[{"name":"ratio","value":1.0030,"moved":0.61},
            {"name":"days","value":null,"moved":-0.05}],"other":0.30,"calibration":-0.01,
            "novel":false}}"#;
        let reasoning = Reasoning::read(Some(stored));
        let model = reasoning.model.as_ref().unwrap();
        assert_eq!(
            model.terms(),
            [
                "+0.080  before looking",
                "+0.610  ratio = 1.003",
                "-0.050  days does not apply",
                "+0.300  all other features",
                "-0.010  calibration",
                "=0.930",
            ]
        );
        assert_eq!(
            reasoning.line(),
            "a note. model 3: FX_VARIANCE 93.0 %, OTHER 7.0 % (ratio +0.61, days -0.05)"
        );
        assert_eq!(Reasoning::read(Some("[]")).line(), "");
    }
}
