//! The trained model: everything needed to attribute, as bytes.
//!
//! A model contains the names and order of its features, the job's fields, the encoding of
//! categories, the reasons, the forest, the calibration, the distribution of its training set and
//! its out-of-bag quality. [`Model::from_bytes`] refuses a model of another shape: one feature or
//! field more or less means "retrain". The same training set and seed give the same bytes at any
//! thread count. Time and version belong to the registry.

mod shape;
mod training_set;

pub use training_set::TrainingSet;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shape::Shape;

use super::calibrate::{self, Calibration};
use super::drift::Statistics;
use super::features::{ABSENT, COUNT, Encoder, WITHOUT_MATCH, blur, catalogue, narrowed, width};
use super::forest::train::{Labelled, Parameters, check, grow};
use super::forest::{Forest, StoredForest};
use super::metrics::{Evaluation, Evaluator, winner};
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::{Layout, Progress};

/// The first bytes of every model.
const MAGIC: &[u8; 8] = b"reconRF\n";
/// The format version; others are refused.
const FORMAT: u16 = 1;
/// Features named by an explanation.
const SHOWN_FEATURES: usize = 5;
/// Reasons named by an explanation.
const SHOWN_REASONS: usize = 3;

/// Default minimum of labelled differences for a reason to be learned.
const LABELS_PER_REASON: u64 = 10;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How trees are grown; its seed is the seed of everything.
    pub forest: Parameters,
    /// Minimum labelled differences of a reason to be learned.
    pub labels_per_reason: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { forest: Parameters::default(), labels_per_reason: LABELS_PER_REASON }
    }
}

/// The origin of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// SHA-256 of the training set.
    pub hash: [u8; 32],
    /// Labelled differences of each reason learned.
    pub by_reason: BTreeMap<String, u64>,
    /// How the trees were grown.
    pub parameters: Parameters,
    /// The compared calibrations, with their cross-validated log loss.
    pub calibrations: Vec<(String, f64)>,
    /// Every row judged by the trees that did not see it and a calibration fitted without it.
    pub out_of_bag: Evaluation,
}

/// A model as stored, after magic and version.
#[derive(Serialize, Deserialize)]
struct StoredModel {
    shape: Shape,
    reasons: Vec<String>,
    encoder: Encoder,
    calibration: Calibration,
    training: Training,
    /// Identities of the training set, ascending.
    seen: Vec<u32>,
    statistics: Statistics,
    forest: StoredForest,
}

pub struct Model {
    stored: StoredModel,
    forest: Forest,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model of {} trees for {:?}", self.forest.tree_count(), self.stored.reasons)
    }
}

/// A guess about one difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The index of the reason in [`Model::reasons`].
    pub reason: usize,
    /// Its calibrated probability.
    pub confidence: f64,
    /// Unlike anything trained on, and therefore UNKNOWN whatever the guess.
    pub novel: bool,
}

/// The explanation of a guess.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The most likely reasons with their probabilities, largest first.
    pub reasons: Vec<(String, f64)>,
    /// The forest's base rate of the winner.
    pub base: f64,
    /// The features with the largest contributions.
    pub features: Vec<Contribution>,
    /// The contribution of all other features.
    pub other_features: f64,
    /// The change by calibration. Base, contributions, other features and calibration sum to the
    /// winner's probability.
    pub calibration: f64,
    /// Unlike anything trained on.
    pub novel: bool,
}

/// A feature's contribution to the winner's probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    pub feature: String,
    /// Its value for this difference.
    pub value: f32,
    /// Added probability; may be negative.
    pub contribution: f64,
}

impl Explanation {
    /// The JSON object stored with an attribution: short names, six digits. `other` absorbs
    /// rounding, so that the parts still sum up.
    pub fn to_json(&self, version: &str) -> serde_json::Value {
        let six = |value: f64| (value * 1e6).round() / 1e6;
        let probability = six(self.reasons.first().map_or(0.0, |(_, probability)| *probability));
        let (base, calibration) = (six(self.base), six(self.calibration));
        let moved: f64 = self.features.iter().map(|feature| six(feature.contribution)).sum();
        let reasons: Vec<_> = self
            .reasons
            .iter()
            .map(|(code, probability)| json!({ "code": code, "probability": six(*probability) }))
            .collect();
        let features: Vec<_> = self
            .features
            .iter()
            .map(|feature| {
                json!({
                    "name": feature.feature,
                    "value": (feature.value > ABSENT).then(|| six(feature.value.into())),
                    "moved": six(feature.contribution),
                })
            })
            .collect();
        json!({
            "version": version,
            "reasons": reasons,
            "base": base,
            "features": features,
            "other": six(probability - base - moved - calibration),
            "calibration": calibration,
            "novel": self.novel,
        })
    }
}

impl Model {
    /// Trains a model on `threads` threads and returns warnings about omitted data. `encoder` is
    /// the one that the rows of `set` were made with.
    ///
    /// # Errors If there is too little to learn from: see [`grow`], and `training-too-few`.
    pub fn train(
        set: &TrainingSet,
        encoder: Encoder,
        layout: &Layout,
        settings: &Settings,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<Problem>), Problems> {
        if let Some(at) = set.rows.iter().position(|value| !value.is_finite()) {
            let feature = catalogue().get(at % COUNT).map_or("?", |feature| feature.name);
            return Err(Problem::new(
                Code::TrainingNotANumber,
                format!(
                    "feature `{feature}` of labelled difference {} is not a finite number",
                    at / COUNT + 1
                ),
            )
            .into());
        }
        let (usable, warnings) = set.usable(settings.labels_per_reason)?;
        let seed = settings.forest.seed;
        let classes = usable.reasons.len();
        let width = width(&usable.rows);
        let narrow = narrowed(&usable.rows, width);
        let known = Labelled {
            rows: &narrow,
            features: width,
            labels: &usable.labels,
            classes,
            weights: &usable.weights,
        };
        check(&known, &settings.forest)?;
        let mut rows = narrow.to_vec();
        blur(&mut rows, width, seed);
        let data = Labelled { rows: &rows, ..known };
        let (stored, bag) = grow(&data, &settings.forest, threads, progress)?;
        let judged: Vec<usize> = (0..usable.len()).filter(|row| bag.trees[*row] > 0).collect();
        let chosen = calibrate::choose(&bag.probabilities, &usable.labels, classes, &judged, seed)?;
        let mut evaluator = Evaluator::new(&usable.reasons);
        let calibrated = calibrate::out_of_fold(
            &chosen.calibration,
            &bag.probabilities,
            &usable.labels,
            classes,
            &judged,
            seed,
        );
        for (row, probabilities) in judged.into_iter().zip(calibrated.chunks_exact(classes)) {
            evaluator.add(usize::from(usable.labels[row]), probabilities);
        }
        let training = Training {
            hash: set.hash(),
            by_reason: usable
                .by_reason()
                .into_iter()
                .map(|(reason, n)| (reason.to_owned(), n))
                .collect(),
            parameters: settings.forest.clone(),
            calibrations: chosen
                .compared
                .iter()
                .map(|(name, loss)| ((*name).to_owned(), *loss))
                .collect(),
            out_of_bag: evaluator.finish(0),
        };
        let forest = stored.compile()?;
        let mut seen = usable.identities.clone();
        seen.sort_unstable();
        seen.dedup();
        let stored = StoredModel {
            seen,
            shape: Shape::of(layout, width),
            encoder,
            calibration: chosen.calibration,
            training,
            statistics: Statistics::learn(&usable.rows, width),
            forest: stored,
            reasons: usable.reasons.clone(),
        };
        Ok((Self { stored, forest }, warnings))
    }

    /// The model as bytes.
    ///
    /// # Errors None for a model that was trained or read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        postcard::to_extend(&self.stored, bytes).map_err(|error| {
            Problem::new(Code::ModelNotWritten, format!("the model could not be written: {error}"))
        })
    }

    /// Reads a model for a job of this layout.
    ///
    /// # Errors `model-format` for other data or another version, `model-shape` for other features
    /// or fields, `model-damaged` for an unusable one.
    pub fn from_bytes(bytes: &[u8], layout: &Layout) -> Result<Self, Problem> {
        let model = Self::read(bytes)?;
        let width = match model.forest.feature_count() {
            WITHOUT_MATCH => WITHOUT_MATCH,
            _ => COUNT,
        };
        match model.stored.shape.mismatch(&Shape::of(layout, width)) {
            None => Ok(model),
            Some(what) => {
                Err(Problem::new(Code::ModelShape, format!("the model does not fit: {what}"))
                    .help("retrain: recon train"))
            }
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let retrain =
            |code, message: &str| Problem::new(code, message).help("retrain: recon train");
        let body = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| retrain(Code::ModelFormat, "this is not a model of recon"))?;
        let (format, body) = body
            .split_first_chunk()
            .ok_or_else(|| retrain(Code::ModelFormat, "the model is truncated"))?;
        let format = u16::from_le_bytes(*format);
        if format != FORMAT {
            return Err(retrain(
                Code::ModelFormat,
                &format!(
                    "the model has format {format}; this version of recon reads format {FORMAT}"
                ),
            ));
        }
        let damaged = || retrain(Code::ModelDamaged, "the model is damaged");
        let stored: StoredModel = postcard::from_bytes(body).map_err(|_| damaged())?;
        let forest = stored.forest.compile()?;
        let fits = forest.feature_count() == stored.shape.features.len()
            && forest.class_count() == stored.reasons.len()
            && stored.calibration.fits(forest.class_count())
            && (stored.statistics.is_complete()
                || ![COUNT, WITHOUT_MATCH].contains(&stored.shape.features.len()));
        if fits { Ok(Self { stored, forest }) } else { Err(damaged()) }
    }

    /// The reasons it knows, in the order of its probabilities.
    pub fn reasons(&self) -> &[String] {
        &self.stored.reasons
    }

    /// The names of its features, in their order.
    pub fn features(&self) -> Vec<&str> {
        self.stored.shape.features.iter().map(String::as_str).collect()
    }

    /// The encoder that rows for this model must be extracted with.
    pub const fn encoder(&self) -> &Encoder {
        &self.stored.encoder
    }

    /// Its origin and out-of-bag quality.
    pub const fn training(&self) -> &Training {
        &self.stored.training
    }

    /// Whether a difference of this identity was in its training set, which disqualifies it for
    /// evaluation.
    pub fn has_seen(&self, identity: u32) -> bool {
        self.stored.seen.binary_search(&identity).is_ok()
    }

    /// The distribution of its training set.
    pub const fn statistics(&self) -> &Statistics {
        &self.stored.statistics
    }

    /// The name of the chosen calibration.
    pub const fn calibration(&self) -> &'static str {
        self.stored.calibration.name()
    }

    /// Calibrated probabilities of whole rows, one for each of [`reasons`](Self::reasons).
    pub fn probabilities(&self, rows: &[f32], out: &mut Vec<f32>) {
        self.forest.predict(&narrowed(rows, self.forest.feature_count()), out);
        let mut calibrated = vec![0.0; self.forest.class_count()];
        for shares in out.chunks_exact_mut(self.forest.class_count()) {
            self.stored.calibration.apply(shares, &mut calibrated);
            shares.copy_from_slice(&calibrated);
        }
    }

    /// The best guess for each row.
    pub fn guess(&self, rows: &[f32]) -> Vec<Guess> {
        let mut out = Vec::new();
        self.probabilities(rows, &mut out);
        out.chunks_exact(self.forest.class_count())
            .zip(rows.chunks_exact(COUNT))
            .map(|(probabilities, row)| {
                let reason = winner(probabilities);
                Guess {
                    reason,
                    confidence: f64::from(probabilities[reason]).clamp(0.0, 1.0),
                    novel: self.stored.statistics.is_novel(row),
                }
            })
            .collect()
    }

    /// Explains the guess about one row.
    pub fn explain(&self, row: &[f32]) -> Explanation {
        let mut shares = Vec::new();
        self.forest.predict_one(row, &mut shares);
        let mut probabilities = vec![0.0; shares.len()];
        self.stored.calibration.apply(&shares, &mut probabilities);
        let best = winner(&probabilities);
        let mut ranked: Vec<usize> = (0..probabilities.len()).collect();
        ranked.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        let why = self.forest.contributions(row, best);
        let mut features: Vec<(usize, f64)> =
            why.features.iter().copied().enumerate().filter(|(_, moved)| *moved != 0.0).collect();
        features.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        let probability = f64::from(probabilities[best]);
        Explanation {
            reasons: ranked
                .into_iter()
                .take(SHOWN_REASONS)
                .map(|at| (self.stored.reasons[at].clone(), f64::from(probabilities[at])))
                .collect(),
            base: why.base,
            other_features: features.iter().skip(SHOWN_FEATURES).map(|(_, moved)| moved).sum(),
            calibration: probability - why.sum(),
            features: features
                .into_iter()
                .take(SHOWN_FEATURES)
                .map(|(at, contribution)| Contribution {
                    feature: self.stored.shape.features[at].clone(),
                    value: row[at],
                    contribution,
                })
                .collect(),
            novel: self.stored.statistics.is_novel(row),
        }
    }

    /// Scores the model on labelled differences outside its training set. Reasons it does not know
    /// count as missed.
    #[cfg(test)]
    pub fn evaluate(&self, set: &TrainingSet, unmatched: u64) -> Evaluation {
        let mut reasons = self.stored.reasons.clone();
        reasons.extend(
            set.reasons.iter().filter(|reason| !self.stored.reasons.contains(reason)).cloned(),
        );
        let mut evaluator = Evaluator::new(&reasons);
        let mut out = Vec::new();
        self.probabilities(&set.rows, &mut out);
        let mut row = vec![0.0; reasons.len()];
        for (at, probabilities) in out.chunks_exact(self.forest.class_count()).enumerate() {
            row[..probabilities.len()].copy_from_slice(probabilities);
            let label = reasons.iter().position(|reason| Some(reason.as_str()) == set.reason(at));
            if let Some(label) = label {
                evaluator.add(label, &row);
            }
        }
        evaluator.finish(unmatched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::features::Learner;
    use crate::domain::{Field, Kind, Quiet};

    fn layout() -> Layout {
        let field = |name: &str, kind| Field::new(name, kind);
        Layout::new(vec![field("id", Kind::Text), field("amount", Kind::Decimal)], 1)
    }

    /// Reasons that depend on a few features, with one label in twenty wrong.
    fn set(count: usize, seed: u64) -> TrainingSet {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut set = TrainingSet::default();
        let reasons = ["TIMING_LAG", "FX_VARIANCE", "ROUNDING_DIFF"];
        for _ in 0..count {
            let reason = random.usize(..3);
            let row: Vec<f32> =
                (0..COUNT)
                    .map(|at| {
                        if at % 7 == reason { 1.0 + random.f32() } else { 0.1 + 1.4 * random.f32() }
                    })
                    .collect();
            let said = if random.u8(..20) == 0 { random.usize(..3) } else { reason };
            set.push(&row, reasons[said]);
        }
        set
    }

    fn settings() -> Settings {
        Settings {
            forest: Parameters { trees: 30, rows_per_tree: 500, ..Parameters::default() },
            labels_per_reason: 20,
        }
    }

    fn trained(threads: usize) -> Model {
        Model::train(
            &set(800, 1),
            Learner::new(&layout()).finish(),
            &layout(),
            &settings(),
            threads,
            &Quiet,
        )
        .unwrap()
        .0
    }

    #[test]
    fn the_same_data_and_seed_give_the_same_bytes_and_bytes_the_same_model() {
        let model = trained(1);
        let bytes = model.to_bytes().unwrap();
        assert!(bytes == trained(3).to_bytes().unwrap());
        let read = Model::from_bytes(&bytes, &layout()).unwrap();
        let fresh = set(50, 2);
        assert_eq!(read.guess(fresh.rows()), model.guess(fresh.rows()));
        assert!(read.to_bytes().unwrap() == bytes);
        assert_eq!(read.training(), model.training());
    }

    #[test]
    fn a_model_of_another_shape_is_refused() {
        let bytes = trained(2).to_bytes().unwrap();
        let mut fields = layout().fields().to_vec();
        fields.push(Field::new("desk", Kind::Text));
        let problem = Model::from_bytes(&bytes, &Layout::new(fields, 1)).unwrap_err();
        assert!(
            problem.code == Code::ModelShape && problem.to_string().contains("`desk: text` is new")
        );
        assert!(problem.to_string().contains("retrain"));
        let mut other = trained(2);
        other.stored.shape.features.swap(0, 1);
        let problem = Model::from_bytes(&other.to_bytes().unwrap(), &layout()).unwrap_err();
        assert!(problem.to_string().contains("order has changed"), "{problem}");
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_a_panic() {
        let bytes = trained(2).to_bytes().unwrap();
        assert_eq!(Model::from_bytes(b"PK", &layout()).unwrap_err().code, Code::ModelFormat);
        let mut newer = bytes.clone();
        newer[8] = 99;
        assert!(Model::from_bytes(&newer, &layout()).unwrap_err().message.contains("format 99"));
        assert!(Model::from_bytes(&bytes[..bytes.len() / 2], &layout()).is_err());
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            let at = random.usize(10..damaged.len());
            damaged[at] ^= 1 << random.u8(..8);
            if let Ok(model) = Model::from_bytes(&damaged, &layout()) {
                model.guess(set(3, 1).rows());
            }
        }
    }

    #[test]
    fn an_explanation_adds_up_to_the_probability() {
        let model = trained(2);
        for row in set(40, 3).rows().chunks(COUNT) {
            let guess = model.guess(row)[0];
            let why = model.explain(row);
            assert_eq!(why.reasons.len(), 3);
            assert_eq!(why.reasons[0], (model.reasons()[guess.reason].clone(), guess.confidence));
            assert!(why.reasons.is_sorted_by(|a, b| a.1 >= b.1));
            let moved: f64 = why.features.iter().map(|feature| feature.contribution).sum();
            let sum = why.base + moved + why.other_features + why.calibration;
            assert!((sum - guess.confidence).abs() < 1e-9);
            let json = why.to_json("7");
            let number = |value: &serde_json::Value| value.as_f64().unwrap();
            let features = json["features"].as_array().unwrap();
            let sum: f64 = features.iter().map(|feature| number(&feature["moved"])).sum::<f64>()
                + number(&json["base"])
                + number(&json["other"])
                + number(&json["calibration"]);
            assert!((sum - number(&json["reasons"][0]["probability"])).abs() < 1e-9);
        }
    }

    #[test]
    fn it_learns_what_can_be_learned_and_knows_how_sure_it_is() {
        let model = trained(2);
        let result = model.evaluate(&set(2_000, 4), 0);
        assert!(result.accuracy > 0.9 && result.ece < 0.05, "{} {}", result.accuracy, result.ece);
        assert!((result.accuracy - model.training().out_of_bag.accuracy).abs() < 0.04);
    }

    #[test]
    fn degenerate_sets_are_refused() {
        let train = |set: &TrainingSet| {
            let encoder = Learner::new(&layout()).finish();
            Model::train(set, encoder, &layout(), &settings(), 1, &Quiet).unwrap_err()
        };
        let code = |problems: &Problems| problems.0.last().unwrap().code;
        assert_eq!(code(&train(&TrainingSet::default())), Code::TrainingEmpty);
        let mut few = TrainingSet::default();
        for at in 0..30 {
            few.push(&[at as f32; COUNT], if at < 7 { "RARE" } else { "COMMON" });
        }
        let problems = train(&few);
        assert_eq!(code(&problems), Code::TrainingTooFew);
        assert!(problems.to_string().contains("RARE has 7 labelled differences; 20 are needed"));
        assert!(problems.to_string().contains("decide 13 more"));
        let mut one = TrainingSet::default();
        (0..30).for_each(|at| one.push(&[at as f32; COUNT], "ONLY"));
        assert_eq!(code(&train(&one)), Code::TrainingOneClass);
        let mut broken = set(100, 1);
        broken.rows[COUNT + 2] = f32::NAN;
        let problems = train(&broken);
        assert!(
            problems.to_string().contains("feature `severity` of labelled difference 2"),
            "{problems}"
        );
        let mut constant = TrainingSet::default();
        (0..60).for_each(|at| constant.push(&[1.0; COUNT], if at % 2 == 0 { "A" } else { "B" }));
        assert_eq!(code(&train(&constant)), Code::TrainingConstant);
        // Rare reasons are omitted with a warning if two others suffice.
        let mut mixed = set(400, 1);
        mixed.push(&[0.5; COUNT], "RARE");
        let encoder = Learner::new(&layout()).finish();
        let (model, warnings) =
            Model::train(&mixed, encoder, &layout(), &settings(), 1, &Quiet).unwrap();
        assert_eq!((model.reasons().len(), warnings.len()), (3, 1));
    }

    #[test]
    fn an_unlearned_reason_counts_as_missed() {
        let mut fresh = set(20, 5);
        fresh.push(&[0.5; COUNT], "NEW_REASON");
        let result = trained(1).evaluate(&fresh, 3);
        assert_eq!(
            (result.n, result.unmatched, result.per_reason["NEW_REASON"].recall),
            (21, 3, 0.0)
        );
    }
}
