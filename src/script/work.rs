//! How much work one call of a script may do, besides its operations.
//!
//! Rhai counts operations regardless of the size of their values, and does not check values
//! assigned into maps and arrays. So each use of a variable is charged by the size of its value,
//! and recon's functions by their work. The count is the same on every machine. It also bounds a
//! call's memory, because every new value is made from charged ones. A limit on processor time
//! catches the rest.

use std::cell::Cell;
use std::time::Duration;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, Position};
use rust_decimal::Decimal;

use super::engine::{CallResult, MAX_TEXT_BYTES};

/// The most work of one call. A unit is about what an operation takes.
pub(super) const MAX_WORK: u64 = 200_000;
/// How deep arrays, maps and closures may be nested.
pub(super) const MAX_DEPTH: usize = 32;
/// Bytes of text that are one unit.
const TEXT: usize = 64;
/// Elements of arrays that are one unit.
const ELEMENTS: usize = 64;
/// Elements or entries to compare that are one unit.
const COMPARED: usize = 12;
/// Entries of maps that are one unit.
const ENTRIES: usize = 32;
/// The most processor time of one call.
const MAX_TIME: Duration = Duration::from_secs(2);
/// Operations between two looks at the clock.
const OPERATIONS_PER_LOOK: u64 = 4_096;

thread_local! {
    /// The work of the present call.
    static DONE: Cell<u64> = const { Cell::new(0) };
    /// The processor time at the start, once measured.
    static BEGAN: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// A call begins.
pub(super) fn begin() {
    DONE.set(0);
    BEGAN.set(None);
}

/// Charges work to the present call.
pub(super) fn charge(units: usize) -> CallResult<()> {
    let done = DONE.get().saturating_add(units as u64);
    DONE.set(done);
    if done > MAX_WORK {
        return Err(EvalAltResult::ErrorTooManyOperations(Position::NONE).into());
    }
    Ok(())
}

/// Charges for looking at these texts from one end to the other.
pub(super) fn charge_texts(texts: &[&str]) -> CallResult<()> {
    charge(texts.iter().map(|text| text.len()).sum::<usize>() / TEXT)
}

/// Charges for comparing each letter of one text with each of another.
pub(super) fn charge_product(a: &str, b: &str) -> CallResult<()> {
    charge(a.len().saturating_mul(b.len()) / TEXT)
}

/// The size of a value.
#[derive(Default)]
struct Size {
    text: usize,
    elements: usize,
    entries: usize,
}

impl Size {
    /// Adds a value, unless it is nested too deep.
    fn add(&mut self, value: &Dynamic, depth: usize) -> CallResult<()> {
        if depth > MAX_DEPTH {
            let what = format!("Nesting of more than {MAX_DEPTH} levels");
            return Err(EvalAltResult::ErrorDataTooLarge(what, Position::NONE).into());
        }
        if let Some(text) = value.read_lock::<ImmutableString>() {
            self.text += text.len();
        } else if let Some(array) = value.read_lock::<Array>() {
            self.elements += array.len();
            // Beyond the budget, the value need not be measured.
            charge(self.units().saturating_sub(usize::try_from(MAX_WORK).unwrap_or(usize::MAX)))?;
            array.iter().try_for_each(|value| self.add_nested(value, depth))?;
        } else if let Some(map) = value.read_lock::<Map>() {
            self.entries += map.len();
            charge(self.units().saturating_sub(usize::try_from(MAX_WORK).unwrap_or(usize::MAX)))?;
            map.values().try_for_each(|value| self.add_nested(value, depth))?;
        } else if let Some(closure) = value.read_lock::<FnPtr>() {
            closure.iter_curry().try_for_each(|value| self.add(value, depth + 1))?;
        }
        Ok(())
    }

    fn add_nested(&mut self, value: &Dynamic, depth: usize) -> CallResult<()> {
        // Most are numbers and short texts.
        if value.is_int() || value.is_decimal() || value.is_unit() || value.is_bool() {
            return Ok(());
        }
        self.add(value, depth + 1)
    }

    const fn units(&self) -> usize {
        self.text / TEXT + self.elements / ELEMENTS + self.entries / ENTRIES
    }
}

/// Charges for the use of a value.
fn charge_value(value: &Dynamic) -> CallResult<()> {
    let mut size = Size::default();
    size.add(value, 0)?;
    match size.units() {
        0 => Ok(()),
        units => charge(units),
    }
}

/// Makes the engine charge for each use of a variable and check the clock, and replaces built-in
/// functions whose work does not depend on the size of their arguments.
pub(super) fn register(engine: &mut Engine) {
    #[expect(
        deprecated,
        reason = "marked so because it may change with Rhai, not because it is old"
    )]
    engine.on_var(|name, _, context| {
        if let Some(value) = context.scope().get(name)
            && (value.is_string() || value.is_array() || value.is_map() || value.is_fnptr())
        {
            charge_value(value)?;
        }
        Ok(None)
    });
    engine.on_progress(|operations| {
        if !operations.is_multiple_of(OPERATIONS_PER_LOOK) {
            return None;
        }
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let now = Duration::new(
            u64::try_from(now.tv_sec).unwrap_or_default(),
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        );
        match BEGAN.get() {
            None => BEGAN.set(Some(now)),
            Some(began) if now.saturating_sub(began) > MAX_TIME => return Some(Dynamic::UNIT),
            Some(_) => {}
        }
        None
    });
    // A curried function can hold itself, over and over.
    engine.disable_symbol("curry");
    engine
        .register_fn("replace", |text: &mut ImmutableString, from: &str, to: &str| {
            replace(text, from, to)
        })
        .register_fn("replace", |text: &mut ImmutableString, from: &str, to: char| {
            replace(text, from, to.encode_utf8(&mut [0; 4]))
        })
        .register_fn("replace", |text: &mut ImmutableString, from: char, to: &str| {
            replace(text, from.encode_utf8(&mut [0; 4]), to)
        })
        .register_fn("replace", |text: &mut ImmutableString, from: char, to: char| {
            replace(text, from.encode_utf8(&mut [0; 4]), to.encode_utf8(&mut [0; 4]))
        })
        // Rhai's own look for the function that compares anew for each element.
        .register_fn("==", |a: &mut Array, b: Array| arrays_equal(a, &b))
        .register_fn("!=", |a: &mut Array, b: Array| arrays_equal(a, &b).map(|same| !same))
        .register_fn("==", |a: &mut Map, b: Map| maps_equal(a, &b))
        .register_fn("!=", |a: &mut Map, b: Map| maps_equal(a, &b).map(|same| !same))
        .register_fn("contains", |array: &mut Array, wanted: Dynamic| {
            Ok::<_, Box<EvalAltResult>>(position(array, &wanted, 0)?.is_some())
        })
        .register_fn("index_of", |array: &mut Array, wanted: Dynamic| index_of(array, &wanted, 0))
        .register_fn("index_of", |array: &mut Array, wanted: Dynamic, start: rhai::INT| {
            index_of(array, &wanted, start)
        });
}

/// Replaces, as long as the result is no longer than a text may be.
fn replace(text: &mut ImmutableString, from: &str, to: &str) -> CallResult<()> {
    let found = text.matches(from).count();
    charge_texts(&[text.as_str()])?;
    let length = (text.len() + found * to.len()).saturating_sub(found * from.len());
    if length > MAX_TEXT_BYTES.max(text.len()) {
        let what = "Length of string".to_owned();
        return Err(EvalAltResult::ErrorDataTooLarge(what, Position::NONE).into());
    }
    if found > 0 {
        *text = text.replace(from, to).into();
    }
    Ok(())
}

fn index_of(array: &Array, wanted: &Dynamic, start: rhai::INT) -> CallResult<rhai::INT> {
    let length = rhai::INT::try_from(array.len()).unwrap_or(rhai::INT::MAX);
    // Negative numbers count from the end.
    let start = if start < 0 { (length + start).max(0) } else { start };
    let found = position(array, wanted, usize::try_from(start).unwrap_or(usize::MAX))?;
    Ok(found.and_then(|at| rhai::INT::try_from(at).ok()).unwrap_or(-1))
}

/// Where the first element from `start` on is that equals `wanted`.
fn position(array: &Array, wanted: &Dynamic, start: usize) -> CallResult<Option<usize>> {
    charge(array.len() / COMPARED)?;
    for (at, value) in array.iter().enumerate().skip(start) {
        if equal(value, wanted)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn arrays_equal(a: &Array, b: &Array) -> CallResult<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    charge(a.len() / COMPARED)?;
    for (a, b) in a.iter().zip(b) {
        if !equal(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps_equal(a: &Map, b: &Map) -> CallResult<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    charge(a.len() / COMPARED)?;
    for (key, value) in a {
        match b.get(key) {
            Some(other) if equal(value, other)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether two values are the same; numbers by their value, whatever their type.
fn equal(a: &Dynamic, b: &Dynamic) -> CallResult<bool> {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<ImmutableString>(), b.read_lock::<ImmutableString>())
    {
        return Ok(*a == *b);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Array>(), b.read_lock::<Array>()) {
        return arrays_equal(&a, &b);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Map>(), b.read_lock::<Map>()) {
        return maps_equal(&a, &b);
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return Ok(a == b);
    }
    Ok(a.is_unit() && b.is_unit())
}

fn number(value: &Dynamic) -> Option<Decimal> {
    value.as_decimal().ok().or_else(|| value.as_int().ok().map(Decimal::from))
}
