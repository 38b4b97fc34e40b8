//! Work that one call of a script may do, besides its operations.
//!
//! Rhai counts operations regardless of the size of their values, and does not check values assigned into maps and
//! arrays; and an array's function that calls a closure for each element counts none of the closure's operations. So
//! each use of a variable is charged by the size of its value, recon's functions by their work, and all operations
//! are counted here. The count is the same on every machine. It also bounds a call's memory, because every new value
//! is made from charged ones. A limit on processor time catches the rest.

use std::cell::Cell;
use std::cmp::Ordering;
use std::time::Duration;

use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, INT, ImmutableString, Map, NativeCallContext,
    Position,
};
use rust_decimal::Decimal;

use super::engine::{CallResult, MAX_OPERATIONS, MAX_TEXT_BYTES};

/// The most work of one call. A unit is about one operation.
const MAX_WORK: u64 = 200_000;
/// How deep arrays, maps and closures may be nested.
pub(super) const MAX_DEPTH: usize = 32;
/// Bytes of a text that are one unit: some functions take it apart into characters.
const TEXT: usize = 16;
/// Bytes of texts in arrays and maps that are one unit: copies share them.
const INNER_TEXT: usize = 64;
/// Pairs of letters to compare that are one unit.
const PAIRS: usize = 64;
/// Elements of arrays that are one unit: the value of a variable may be copied.
const ELEMENTS: usize = 6;
/// Elements that an array or a map within another counts for itself.
const CONTAINER: usize = 4;
/// Elements or entries to compare that are one unit.
const COMPARED: usize = 12;
/// Entries of maps that are one unit.
const ENTRIES: usize = 5;
/// Parts of a text, or entries of maps to find and compare, that are one unit.
const PIECES: usize = 2;
/// Units for an element or an entry that is written as text.
const WRITTEN: usize = 8;
/// Operations that calling a closure from an array's function counts for.
const CLOSURE: u64 = 8;
/// The most processor time of one call.
const MAX_TIME: Duration = Duration::from_secs(2);
/// Operations between two looks at the clock.
const OPERATIONS_PER_LOOK: u64 = 4_096;

thread_local! {
    /// The work of the present call.
    static DONE: Cell<u64> = const { Cell::new(0) };
    /// The operations of the present call, and Rhai's last number of one.
    static OPERATIONS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    /// The processor time at the start, once measured.
    static BEGAN: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// A call begins.
pub(super) fn begin() {
    DONE.set(0);
    OPERATIONS.set((0, 0));
    BEGAN.set(None);
}

/// Charges work to the present call.
pub(super) fn charge(units: usize) -> CallResult<()> {
    let done = DONE.with(|done| {
        done.set(done.get().saturating_add(units as u64));
        done.get()
    });
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
    charge(a.len().saturating_mul(b.len()) / PAIRS)
}

#[derive(Default)]
struct Size {
    text: usize,
    inner_text: usize,
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
            *(if depth == 0 { &mut self.text } else { &mut self.inner_text }) += text.len();
        } else if let Some(array) = value.read_lock::<Array>() {
            self.elements += array.len() + CONTAINER;
            // Beyond the budget, the value need not be measured.
            charge(self.units().saturating_sub(usize::try_from(MAX_WORK).unwrap_or(usize::MAX)))?;
            array.iter().try_for_each(|value| self.add_nested(value, depth))?;
        } else if let Some(map) = value.read_lock::<Map>() {
            self.entries += map.len();
            self.elements += CONTAINER;
            charge(self.units().saturating_sub(usize::try_from(MAX_WORK).unwrap_or(usize::MAX)))?;
            map.values().try_for_each(|value| self.add_nested(value, depth))?;
        } else if let Some(closure) = value.read_lock::<FnPtr>() {
            closure.iter_curry().try_for_each(|value| self.add(value, depth + 1))?;
        }
        Ok(())
    }

    fn add_nested(&mut self, value: &Dynamic, depth: usize) -> CallResult<()> {
        // A decimal has memory of its own.
        self.elements += usize::from(value.is_decimal());
        if value.is_int() || value.is_decimal() || value.is_unit() || value.is_bool() {
            return Ok(());
        }
        self.add(value, depth + 1)
    }

    const fn units(&self) -> usize {
        self.text / TEXT
            + self.inner_text / INNER_TEXT
            + self.elements / ELEMENTS
            + self.entries / ENTRIES
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
    engine.on_progress(|number| {
        let (before, done) = OPERATIONS.with(|operations| {
            let (before, last) = operations.get();
            // Within a closure Rhai counts in a copy, which it throws away.
            let done = before + if number == last + 1 { 1 } else { CLOSURE };
            operations.set((done, number));
            (before, done)
        });
        if done > MAX_OPERATIONS {
            return Some(Dynamic::TRUE);
        }
        if before / OPERATIONS_PER_LOOK == done / OPERATIONS_PER_LOOK {
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
        .register_fn("index_of", |array: &mut Array, wanted: Dynamic, start: INT| {
            index_of(array, &wanted, start)
        })
        .register_fn("dedup", dedup)
        // Rhai's own panics inside of the standard library where a comparer contradicts itself.
        .register_fn("sort", sort)
        .register_fn("sort_by", sort)
        .register_fn("order", order)
        .register_fn("order_by", order)
        .register_fn("sort", |array: &mut Array| sort_values(array, false))
        .register_fn("sort_desc", |array: &mut Array| sort_values(array, true))
        .register_fn("order", |array: &mut Array| ordered(array, false))
        .register_fn("order_desc", |array: &mut Array| ordered(array, true))
        .register_fn("to_string", array_text)
        .register_fn("to_debug", array_text)
        .register_fn("to_string", map_text)
        .register_fn("to_debug", map_text)
        .register_fn("to_json", |map: &mut Map| -> CallResult<String> {
            let mut size = Size::default();
            map.values().try_for_each(|value| size.add_nested(value, 0))?;
            charge((map.len() + size.elements + size.entries) * WRITTEN)?;
            charge(size.inner_text / TEXT)?;
            Ok(rhai::format_map_as_json(map))
        })
        .register_fn("mixin", mix)
        .register_fn("+=", mix)
        .register_fn("+", |mut map: Map, other: Map| -> CallResult<Map> {
            mix(&mut map, other)?;
            Ok(map)
        })
        .register_fn("fill_with", |map: &mut Map, other: Map| -> CallResult<()> {
            charge(other.len())?;
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
            Ok(())
        })
        .register_fn("to_chars", |text: &str| -> CallResult<Array> {
            charge(text.len() / PIECES)?;
            Ok(text.chars().map(Dynamic::from).collect())
        })
        .register_fn("split", |text: &mut ImmutableString| pieces(text, text.split_whitespace()));
    macro_rules! splits {
        ($($delimiter:ty),+) => {$(
            engine
                .register_fn("split", |text: &mut ImmutableString, by: $delimiter| {
                    pieces(text, text.split(by))
                })
                .register_fn("split_rev", |text: &mut ImmutableString, by: $delimiter| {
                    pieces(text, text.rsplit(by))
                })
                .register_fn("split", |text: &mut ImmutableString, by: $delimiter, most: INT| {
                    pieces(text, text.splitn(at_least_one(most), by))
                })
                .register_fn("split_rev", |text: &mut ImmutableString, by: $delimiter, most: INT| {
                    pieces(text, text.rsplitn(at_least_one(most), by))
                });
        )+};
    }
    splits! { &str, char }
}

/// The parts of a text; one that is empty is its own part.
fn pieces<'t>(text: &ImmutableString, parts: impl Iterator<Item = &'t str>) -> CallResult<Array> {
    if text.is_empty() {
        return Ok(vec![text.clone().into()]);
    }
    let parts: Array = parts.map(Into::into).collect();
    charge(parts.len() / PIECES)?;
    Ok(parts)
}

fn at_least_one(most: INT) -> usize {
    usize::try_from(most.max(1)).unwrap_or(usize::MAX)
}

/// Takes over the entries of another map.
fn mix(map: &mut Map, other: Map) -> CallResult<()> {
    charge(other.len())?;
    map.extend(other);
    Ok(())
}

/// Sorts values of one type.
fn sort_values(array: &mut Array, descends: bool) -> CallResult<()> {
    let Some(first) = array.first() else { return Ok(()) };
    let steps = array.len().ilog2() as usize;
    charge(array.len() * steps / COMPARED)?;
    let wrong = |what: String| EvalAltResult::ErrorFunctionNotFound(what, Position::NONE);
    if array.iter().any(|value| value.type_id() != first.type_id()) {
        let what = "elements of different types cannot be sorted".to_owned();
        return Err(wrong(what).into());
    }
    if array.len() > 1 && compared(first, first).is_none() {
        return Err(wrong(format!("elements of {} cannot be sorted", first.type_name())).into());
    }
    array.sort_by(|a, b| {
        let order = compared(a, b).unwrap_or(Ordering::Equal);
        if descends { order.reverse() } else { order }
    });
    Ok(())
}

fn ordered(array: &mut Array, descends: bool) -> CallResult<Array> {
    let mut sorted = array.clone();
    sort_values(&mut sorted, descends)?;
    Ok(sorted)
}

/// The order of two values of one type that has one.
fn compared(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Some(a.cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (a.as_decimal(), b.as_decimal()) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (a.read_lock::<ImmutableString>(), b.read_lock::<ImmutableString>())
    {
        return Some(a.as_str().cmp(b.as_str()));
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return Some(a.cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Some(a.cmp(&b));
    }
    (a.is_unit() && b.is_unit()).then_some(Ordering::Equal)
}

/// Removes elements that equal the one before.
fn dedup(array: &mut Array) -> CallResult<()> {
    charge(array.len() / COMPARED)?;
    let mut kept = Array::with_capacity(array.len());
    for value in std::mem::take(array) {
        let same = kept.last().map(|last| equal(last, &value)).transpose()?;
        if same != Some(true) {
            kept.push(value);
        }
    }
    *array = kept;
    Ok(())
}

fn sort(context: NativeCallContext<'_>, array: &mut Array, comparer: FnPtr) -> CallResult<()> {
    *array = sorted(&context, std::mem::take(array), &comparer)?;
    Ok(())
}

fn order(context: NativeCallContext<'_>, array: &mut Array, comparer: FnPtr) -> CallResult<Array> {
    sorted(&context, array.clone(), &comparer)
}

/// Merges two sorted halves. Whatever the comparer says, the result has the same elements.
fn sorted(context: &NativeCallContext<'_>, mut left: Array, comparer: &FnPtr) -> CallResult<Array> {
    if left.len() < 2 {
        return Ok(left);
    }
    let mut merged = Array::with_capacity(left.len());
    let right = left.split_off(left.len() / 2);
    let mut left = sorted(context, left, comparer)?.into_iter().peekable();
    let mut right = sorted(context, right, comparer)?.into_iter().peekable();
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let said = comparer.call_raw(context, None, [one.clone(), other.clone()])?;
        // A number above 0, or that the first is not at most the second.
        let is_greater =
            said.as_int().map(|number| number > 0).or_else(|_| said.as_bool().map(|less| !less));
        merged.extend(if is_greater.unwrap_or(false) { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

fn array_text(context: NativeCallContext<'_>, array: &mut Array) -> CallResult<String> {
    charge(array.len() * WRITTEN)?;
    let values = array.iter_mut().map(|value| text_of(&context, value));
    Ok(format!("[{}]", values.collect::<CallResult<Vec<_>>>()?.join(", ")))
}

fn map_text(context: NativeCallContext<'_>, map: &mut Map) -> CallResult<String> {
    charge(map.len() * WRITTEN)?;
    let entries =
        map.iter_mut().map(|(key, value)| Ok(format!("{key:?}: {}", text_of(&context, value)?)));
    Ok(format!("#{{{}}}", entries.collect::<CallResult<Vec<_>>>()?.join(", ")))
}

/// A value as it is written inside an array or a map.
fn text_of(context: &NativeCallContext<'_>, value: &mut Dynamic) -> CallResult<String> {
    let text = match context.call_native_fn_raw("to_debug", true, &mut [value]) {
        Ok(text) => text.into_string().ok(),
        Err(error) if error.is_system_exception() => return Err(error),
        Err(_) => None,
    };
    Ok(text.unwrap_or_else(|| value.to_string()))
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

fn index_of(array: &Array, wanted: &Dynamic, start: INT) -> CallResult<INT> {
    let length = INT::try_from(array.len()).unwrap_or(INT::MAX);
    // Negative numbers count from the end.
    let start = if start < 0 { (length + start).max(0) } else { start };
    let found = position(array, wanted, usize::try_from(start).unwrap_or(usize::MAX))?;
    Ok(found.and_then(|at| INT::try_from(at).ok()).unwrap_or(-1))
}

/// Position of the first element from `start` on that equals `wanted`.
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
    charge(a.len() / PIECES)?;
    for (key, value) in a {
        match b.get(key) {
            Some(other) if equal(value, other)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Compares numbers by value, whatever their type.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::engine::build;

    const LARGE: &str = "let a = []; a.pad(1000, 7); let m = #{}; \
                         for i in 0..500 { m[`k${i}`] = i; }";

    /// A script's result, with its operations and its work.
    fn spent(script: &str) -> (Dynamic, u64, u64) {
        begin();
        let given = build().eval::<Dynamic>(&format!("{LARGE} {script}"));
        let given = given.unwrap_or_else(|error| panic!("{script}: {error}"));
        (given, OPERATIONS.get().0, DONE.get())
    }

    #[test]
    fn closures_of_arrays_are_charged_for_each_element() {
        let (_, operations, work) = spent("");
        for call in [
            "a.map(|x| x)",
            "a.for_each(|x| x)",
            "a.filter(|x| true)",
            "a.reduce(|x, y| y)",
            "a.some(|x| false)",
            "a.all(|x| true)",
            "a.find(|x| false)",
            "a.index_of(|x| false)",
            "a.drain(|x| false)",
            "a.retain(|x| true)",
            "a.zip(a, |x, y| x)",
            "a.dedup(|x, y| false)",
            "a.sort(|x, y| x - y)",
            "a.sort_by(|x, y| x <= y)",
            "a.order(|x, y| x - y)",
            "m.filter(|k, v| true)",
        ] {
            let (_, more, _) = spent(call);
            assert!(more > operations + 450 * CLOSURE, "{call}: {operations} and {more}");
        }
        for call in ["a.to_string()", "a.to_debug()", "`${a}`", "\"\" + a", "m.to_string()"] {
            let (_, _, more) = spent(call);
            assert!(more > work + 450 * WRITTEN as u64, "{call}: {work} and {more}");
        }
        assert!(spent("a.dedup()").2 > work + 80);
        // Each of these took many times the time of a plain loop before the call ended.
        for endless in
            ["a.map(|x| x)", "a.sort(|x, y| x - y)", "a.to_string()", "m.filter(|k, v| 1)"]
        {
            begin();
            let ended = build().eval::<Dynamic>(&format!("{LARGE} loop {{ {endless}; }}"));
            assert!(ended.is_err(), "{endless}");
        }
    }

    #[test]
    fn an_array_is_sorted_and_written_as_rhai_does_it() {
        let text = |script: &str| spent(script).0.into_string().unwrap();
        let shuffled = "let s = [3, 1, 2, 9, 5];";
        assert_eq!(text(&format!("{shuffled} s.sort(|x, y| y - x); `${{s}}`")), "[9, 5, 3, 2, 1]");
        assert_eq!(
            text(&format!("{shuffled} s.sort_by(|x, y| x <= y); `${{s}}`")),
            "[1, 2, 3, 5, 9]"
        );
        assert_eq!(text(&format!("{shuffled} s.order(|x, y| x - y); `${{s}}`")), "[3, 1, 2, 9, 5]");
        assert_eq!(
            text("[1, \"x\", [true, ()], #{a: 1.50, b: \"y\"}].to_string()"),
            "[1, \"x\", [true, ()], #{\"a\": 1.50, \"b\": \"y\"}]"
        );
        assert_eq!(
            text("let d = [1, 1, 2, 1, \"x\", \"x\", ()]; d.dedup(); `${d}`"),
            "[1, 2, 1, \"x\", ()]"
        );
        assert_eq!(text("`${[]}${#{}}`"), "[]#{}");
    }

    #[test]
    fn a_comparer_that_contradicts_itself_panics_nowhere() {
        for comparer in
            ["if (x * 7 + y * 13) % 3 == 0 { -1 } else { 1 }", "1", "(x * y) % 3 - 1", "()"]
        {
            for size in [2, 21, 40, 64, 200] {
                let script = format!(
                    "let s = []; for i in 0..{size} {{ s.push((i * 7919) % 1009); }} \
                     s.sort(|x, y| {comparer}); let t = s.order(|x, y| x - y); \
                     let u = []; for i in 0..{size} {{ u.push((i * 7919) % 1009); }} \
                     u.sort(); t == u"
                );
                assert!(spent(&script).0.as_bool().unwrap(), "{comparer} {size}");
            }
        }
    }
}
