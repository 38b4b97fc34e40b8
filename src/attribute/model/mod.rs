//! The trained model: everything needed to attribute, as bytes.
//!
//! A model contains the names and order of its features, the job's fields, the encoding of
//! categories, the reasons, the forest, the calibration, the distribution of its training set and
//! its quality on rows it did not see. Two learners are tried, a random forest and gradient boosting, and
//! the one with the lower log loss on such rows is kept. [`Model::from_bytes`] refuses a model of another
//! shape: an unknown feature, or one field more or less, means "retrain". The same training set and
//! seed give the same bytes at any thread count. Time and version belong to the registry.

mod judged;
mod shape;
mod training_set;

pub use training_set::{TrainingSet, sampled};

use std::collections::BTreeMap;

use judged::Judged;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shape::Shape;

use super::calibrate::Calibration;
use super::drift::Statistics;
use super::features::{
    ABSENT, COUNT, Encoder, Learned, blur, catalogue, chosen, described, varying,
};
use super::forest::boost::{Boosting, boost, cross};
use super::forest::train::{Labelled, Parameters, check, grow};
use super::forest::{Forest, StoredForest, StoredSteps};
use super::metrics::{Evaluation, winner};
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::{Layout, Progress};

/// The first bytes of every model.
const MAGIC: &[u8; 8] = b"reconRF\n";
/// The format version. Older ones are still read: the first had only forests, the second knew nothing of words and
/// of reasons seen with values. Others are refused.
const FORMAT: u16 = 3;
const SECOND_FORMAT: u16 = 2;
const FIRST_FORMAT: u16 = 1;
/// Features named by an explanation.
const SHOWN_FEATURES: usize = 5;
/// Reasons named by an explanation.
const SHOWN_REASONS: usize = 3;

/// Default minimum of labelled differences for a reason to be learned.
pub const LABELS_PER_REASON: u64 = 5;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Parameters of the forest; its seed is the seed of everything.
    pub forest: Parameters,
    pub boosting: Boosting,
    /// Minimum labelled differences of a reason to be learned.
    pub labels_per_reason: u64,
    /// Features that it does not learn from: names, or beginnings of names followed by `*`.
    pub without: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            forest: Parameters::default(),
            boosting: Boosting::default(),
            labels_per_reason: LABELS_PER_REASON,
            without: Vec::new(),
        }
    }
}

/// The origin of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// SHA-256 of the training set.
    pub hash: [u8; 32],
    /// Labelled differences of each reason learned.
    pub by_reason: BTreeMap<String, u64>,
    /// Parameters of the forest.
    pub parameters: Parameters,
    /// The compared calibrations, with their cross-validated log loss.
    pub calibrations: Vec<(String, f64)>,
    /// Rows judged by trees that did not see them and a calibration fitted without them.
    pub out_of_bag: Evaluation,
}

/// A learner that was tried, on rows that it did not see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// `forest` or `boosting`.
    pub learner: String,
    pub log_loss: f64,
    /// The share that can be accepted at 99 % precision.
    pub coverage: f64,
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
    /// Without trees if they were boosted.
    forest: StoredForest,
}

/// Additions of the second format.
#[derive(Default, Serialize, Deserialize)]
struct Added {
    /// Boosted trees.
    steps: Option<StoredSteps>,
    boosting: Boosting,
    tried: Vec<Tried>,
}

pub struct Model {
    stored: StoredModel,
    added: Added,
    /// The positions of its features in the catalogue.
    columns: Vec<usize>,
    forest: Forest,
}

impl Added {
    fn compile(&self, stored: &StoredModel) -> Result<Forest, Problem> {
        self.steps.as_ref().map_or_else(|| stored.forest.compile(), StoredSteps::compile)
    }
}

/// These features but for those that are left out by name.
fn used(mut columns: Vec<usize>, without: &[String]) -> Result<Vec<usize>, Problem> {
    for name in without {
        let is_meant = |feature: &str| match name.strip_suffix('*') {
            Some(beginning) => feature.starts_with(beginning),
            None => feature == name,
        };
        if !catalogue().iter().any(|feature| is_meant(feature.name)) {
            let message = format!("no feature is called `{name}`");
            let help = "`recon train --features` lists them";
            return Err(Problem::new(Code::TrainingParameters, message).help(help));
        }
        columns.retain(|at| !is_meant(catalogue()[*at].name));
    }
    Ok(columns)
}

fn damaged() -> Problem {
    Problem::new(Code::ModelDamaged, "the model is damaged").help("retrain: recon train")
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
        let columns = used(varying(&usable.rows), &settings.without)?;
        let mut rows = chosen(&usable.rows, &columns);
        let weights = &usable.weights;
        let labels = &usable.labels;
        let known = Labelled { rows: &rows, features: columns.len(), labels, classes, weights };
        check(&known, &settings.forest)?;
        blur(&mut rows, &columns, seed);
        let data = Labelled { rows: &rows, features: columns.len(), labels, classes, weights };
        let (forest, bag) = grow(&data, &settings.forest, threads, progress)?;
        let rows = (0..usable.len()).filter(|row| bag.trees[*row] > 0).collect();
        let by_forest = Judged::new("forest", rows, &bag.probabilities, &usable, seed)?;
        let boosting = &settings.boosting.fitting(usable.len());
        let crossed = cross(&data, &usable.records, boosting, seed, threads, progress)?;
        let by_steps =
            Judged::new("boosting", crossed.judged, &crossed.probabilities, &usable, seed)?;
        let (tried, wins) = judged::compare(&by_forest, &by_steps, &usable);
        let (forest, steps, judged) = if wins {
            let steps = boost(&data, crossed.rounds, boosting, seed, progress)?;
            (StoredForest::none(), Some(steps), by_steps)
        } else {
            (forest, None, by_forest)
        };
        let training = Training {
            hash: set.hash(),
            by_reason: usable
                .by_reason()
                .into_iter()
                .map(|(reason, n)| (reason.to_owned(), n))
                .collect(),
            parameters: settings.forest.clone(),
            calibrations: judged.compared(),
            out_of_bag: judged.evaluation(&usable),
        };
        let added = Added { steps, boosting: boosting.clone(), tried };
        let mut seen = usable.identities.clone();
        seen.sort_unstable();
        seen.dedup();
        let stored = StoredModel {
            seen,
            shape: Shape::of(layout, &columns),
            encoder: encoder.trained(),
            calibration: judged.chosen.calibration,
            training,
            statistics: Statistics::learn(&usable.rows, described(&usable.rows)),
            forest,
            reasons: usable.reasons.clone(),
        };
        let forest = added.compile(&stored)?;
        Ok((Self { stored, added, columns, forest }, warnings))
    }

    /// The model as bytes.
    ///
    /// # Errors None for a model that was trained or read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        let learned = self.stored.encoder.learned();
        postcard::to_extend(&(&self.stored, &self.added, learned), bytes).map_err(|error| {
            Problem::new(Code::ModelNotWritten, format!("the model could not be written: {error}"))
        })
    }

    /// Reads a model for a job of this layout.
    ///
    /// # Errors `model-format` for other data or another version, `model-shape` for other features
    /// or fields, `model-damaged` for an unusable one.
    pub fn from_bytes(bytes: &[u8], layout: &Layout) -> Result<Self, Problem> {
        let (stored, added) = Self::read(bytes)?;
        let misfit = |what: String| {
            Problem::new(Code::ModelShape, format!("the model does not fit: {what}"))
                .help("retrain: recon train")
        };
        let columns = stored.shape.columns().map_err(misfit)?;
        if let Some(what) = stored.shape.mismatch(&Shape::of(layout, &columns)) {
            return Err(misfit(what));
        }
        let forest = added.compile(&stored)?;
        let fits = forest.feature_count() == columns.len()
            && forest.class_count() == stored.reasons.len()
            && stored.calibration.fits(forest.class_count())
            && stored.statistics.is_complete();
        if fits { Ok(Self { stored, added, columns, forest }) } else { Err(damaged()) }
    }

    fn read(bytes: &[u8]) -> Result<(StoredModel, Added), Problem> {
        let retrain =
            |message: String| Problem::new(Code::ModelFormat, message).help("retrain: recon train");
        let body = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| retrain("this is not a model of recon".to_owned()))?;
        let (format, body) =
            body.split_first_chunk().ok_or_else(|| retrain("the model is truncated".to_owned()))?;
        let read = match u16::from_le_bytes(*format) {
            FIRST_FORMAT => postcard::from_bytes(body).map(|stored| (stored, Added::default())),
            SECOND_FORMAT => postcard::from_bytes(body),
            FORMAT => postcard::from_bytes(body).map(
                |(mut stored, added, learned): (StoredModel, Added, Learned)| {
                    stored.encoder = stored.encoder.with(learned);
                    (stored, added)
                },
            ),
            format => {
                return Err(retrain(format!(
                    "the model has format {format}; this version of recon reads formats up to {FORMAT}"
                )));
            }
        };
        read.map_err(|_| damaged())
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

    /// The learners that were tried, the better one first; empty in a model of the first format.
    pub fn tried(&self) -> &[Tried] {
        &self.added.tried
    }

    /// The training parameters of its trees.
    pub fn parameters(&self) -> serde_json::Value {
        match &self.added.steps {
            None => json!(self.stored.training.parameters),
            Some(steps) => {
                let mut parameters = json!(self.added.boosting);
                parameters["rounds"] = json!(steps.count());
                parameters["seed"] = json!(self.stored.training.parameters.seed);
                parameters
            }
        }
    }

    /// `forest` or `boosting`.
    pub const fn learner(&self) -> &'static str {
        if self.added.steps.is_some() { "boosting" } else { "forest" }
    }

    /// True if a difference with this identity was in the training set, which disqualifies it for evaluation.
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
        self.forest.predict(&chosen(rows, &self.columns), out);
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

    /// The best guess for one row.
    pub fn guess_one(&self, row: &[f32]) -> Guess {
        let probabilities = self.shown(row).1;
        let reason = winner(&probabilities);
        Guess {
            reason,
            confidence: f64::from(probabilities[reason]).clamp(0.0, 1.0),
            novel: self.stored.statistics.is_novel(row),
        }
    }

    /// The features of one row that the model uses, and its calibrated probabilities.
    fn shown(&self, row: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let used: Vec<f32> = self.columns.iter().map(|at| row[*at]).collect();
        let mut shares = Vec::new();
        self.forest.predict_one(&used, &mut shares);
        let mut probabilities = vec![0.0; shares.len()];
        self.stored.calibration.apply(&shares, &mut probabilities);
        (used, probabilities)
    }

    /// Explains the guess about one row.
    pub fn explain(&self, row: &[f32]) -> Explanation {
        let (used, probabilities) = self.shown(row);
        let best = winner(&probabilities);
        let mut ranked: Vec<usize> = (0..probabilities.len()).collect();
        ranked.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        let why = self.forest.contributions(&used, best);
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
                    value: used[at],
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
        use crate::attribute::metrics::Evaluator;
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
            let row: Vec<f32> = (0..COUNT)
                .map(|at| {
                    // Few values, as most features have, and few that tell anything.
                    let value = if at % 7 == reason { 1.0 } else { 0.1 } + 1.2 * random.f32();
                    if at < 40 { (value * 8.0).round() } else { 1.0 }
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
            boosting: Boosting { rounds: 60, folds: 3, leaves: 8, ..Boosting::default() },
            labels_per_reason: 20,
            without: Vec::new(),
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
    fn both_learners_are_tried_and_models_of_older_formats_are_still_read() {
        let mut model = trained(2);
        let names: Vec<&str> = model.tried().iter().map(|tried| tried.learner.as_str()).collect();
        assert!(names.len() == 2 && names[0] == model.learner(), "{names:?}");
        assert!(model.tried()[0].log_loss <= model.tried()[1].log_loss);
        // The second format had neither words nor reasons seen with values.
        let second = [&MAGIC[..], &SECOND_FORMAT.to_le_bytes()].concat();
        let second = postcard::to_extend(&(&model.stored, &model.added), second).unwrap();
        let fresh = set(50, 2);
        let read = Model::from_bytes(&second, &layout()).unwrap();
        assert_eq!(read.guess(fresh.rows()), model.guess(fresh.rows()));
        // A forest as the first format stored it.
        let (rows, _) = set(800, 1).usable(20).unwrap();
        let data = Labelled {
            rows: &chosen(rows.rows(), &model.columns),
            features: model.columns.len(),
            labels: &rows.labels,
            classes: 3,
            weights: &[],
        };
        model.stored.forest = grow(&data, &settings().forest, 2, &Quiet).unwrap().0;
        model.stored.calibration = Calibration::Temperature { temperature: 1.0 };
        let mut bytes = [&MAGIC[..], &FIRST_FORMAT.to_le_bytes()].concat();
        bytes = postcard::to_extend(&model.stored, bytes).unwrap();
        let first = Model::from_bytes(&bytes, &layout()).unwrap();
        assert_eq!((first.learner(), first.tried()), ("forest", &[][..]));
        let result = first.evaluate(&set(500, 9), 0);
        assert!(result.accuracy > 0.7, "{}", result.accuracy);
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
    fn a_model_learns_and_its_confidence_is_calibrated() {
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
    fn features_can_be_left_out() {
        let learned = |without: &[&str]| {
            let without = without.iter().map(|name| (*name).to_owned()).collect();
            let settings = Settings { without, ..settings() };
            let encoder = Learner::new(&layout()).finish();
            Model::train(&set(300, 1), encoder, &layout(), &settings, 1, &Quiet)
        };
        let (whole, _) = learned(&[]).unwrap();
        let (part, _) = learned(&["delta", "equal_rounded_*"]).unwrap();
        let left_out = |name: &&str| *name == "delta" || name.starts_with("equal_rounded_");
        assert_eq!(whole.features().into_iter().filter(left_out).count(), 8);
        assert!(!part.features().iter().any(left_out) && part.features().contains(&"delta_size"));
        let problems = learned(&["dleta"]).unwrap_err();
        assert_eq!(problems.0[0].code, Code::TrainingParameters);
        // No labels remain.
        assert_eq!(learned(&["*"]).unwrap_err().0[0].code, Code::TrainingEmpty);
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
