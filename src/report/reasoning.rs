//! The explanation of an attribution in words: rules' notes and the model's probabilities.

use serde::Deserialize;

use super::figures;

/// The explanation stored with an attribution.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Reasoning {
    /// Sentences from rules.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The model's explanation, if it was used.
    #[serde(default)]
    pub model: Option<ModelExplanation>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ModelExplanation {
    pub version: String,
    pub reasons: Vec<Guess>,
    /// The probability of the most likely reason before any feature.
    pub base: f64,
    /// The features that changed this probability most.
    pub features: Vec<Moved>,
    /// The change by all other features.
    pub other: f64,
    /// The change by calibration.
    pub calibration: f64,
    pub novel: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Guess {
    pub code: String,
    pub probability: f64,
}

/// A feature's contribution to the probability of the most likely reason.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Moved {
    pub name: String,
    /// `None` if the feature does not apply.
    pub value: Option<f64>,
    /// Added probability; may be negative.
    pub moved: f64,
}

impl Reasoning {
    /// Reads a stored explanation; an unreadable one is empty.
    pub fn read(explanation: Option<&str>) -> Self {
        explanation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Everything on one line.
    pub fn line(&self) -> String {
        let mut sentences = self.notes.clone();
        sentences.extend(self.model.as_ref().map(ModelExplanation::line));
        sentences.join(" ")
    }
}

impl ModelExplanation {
    /// The most likely reasons with their probabilities.
    pub fn reasons(&self) -> String {
        let reasons: Vec<String> = self
            .reasons
            .iter()
            .map(|guess| format!("{} {}", guess.code, figures::percent(guess.probability)))
            .collect();
        format!("model {}: {}", self.version, reasons.join(", "))
    }

    /// The terms that add up to the probability of the most likely reason.
    pub fn terms(&self) -> Vec<String> {
        let mut terms = vec![format!("{:+.3}  base rate", self.base)];
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

/// A number with at most four decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_explanation_lists_its_terms() {
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
                "+0.080  base rate",
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
