//! Text in columns of fixed width: the boundaries, from spaces and from changes in the kind of character; the lines
//! that are data; the columns' names.

use serde::Serialize;

use super::sketch::ratio;

/// A column: its first character, from 0, and the character behind it.
type Extent = (usize, usize);

/// How a file of fixed width is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The extents of the columns; the last goes on to the end of the line.
    pub columns: Vec<Extent>,
    /// The names, if a line has them.
    pub names: Option<Vec<String>>,
    /// The lines that are data have this text at this character, from 0.
    pub condition: Option<(usize, String)>,
}

/// How many lines are looked at.
const LINES: usize = 2_000;
/// The least number of lines of data.
const FEWEST: usize = 4;
/// A space, or a change of the kind of character, in this many of a hundred lines makes a boundary.
const NEARLY_ALL: usize = 98;

impl Layout {
    /// The layout of a text, if it has columns of fixed width.
    pub fn of(text: &str) -> Option<Self> {
        let lines: Vec<Vec<char>> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(LINES)
            .map(|line| line.trim_end().chars().collect())
            .collect();
        if lines.len() < FEWEST || is_delimited(&lines) {
            return None;
        }
        // A first line of words over lines with digits has the names.
        let digits = |line: &Vec<char>| line.iter().filter(|c| c.is_ascii_digit()).count();
        let (first, rest) = lines.split_first()?;
        let usual = rest.iter().map(digits).sum::<usize>() / rest.len();
        let (head, body) = match digits(first) * 4 < usual {
            true => (Some(first), rest),
            false => (None, lines.as_slice()),
        };
        let prefix = record_type(body);
        let is_data = |line: &&Vec<char>| prefix.as_ref().is_none_or(|it| line.starts_with(it));
        let data: Vec<&Vec<char>> = body.iter().filter(is_data).collect();
        let width = data.iter().map(|line| line.len()).max()?;
        let alike = data.iter().filter(|line| line.len() + width / 4 >= width).count();
        if data.len() < FEWEST || alike * 10 < data.len() * 9 {
            return None;
        }
        let kinds = kinds(&data, width);
        let mut columns = columns_between(&data, width);
        if columns.len() < 2 {
            columns = columns_by_kind(&data, &kinds);
            // One identifier is no table.
            if columns.len() < 3 {
                return None;
            }
        }
        columns = around_times(columns, &kinds);
        columns = columns.into_iter().flat_map(|column| after_flag(&data, column)).collect();
        let names = head.map(|head| names_of(head, &columns));
        // A header record is no line of names.
        let is_named = |names: &Vec<String>| {
            names.iter().filter(|name| name.starts_with('#')).count() * 3 <= names.len()
        };
        let names = names.filter(is_named);
        let condition = match (prefix, head) {
            (Some(prefix), _) => Some((0, prefix.iter().collect::<String>())),
            (None, Some(head)) => Some(constant(&data, head)?),
            (None, None) => None,
        };
        // The record type is not part of the first column.
        let of_type = condition.as_ref().filter(|(at, _)| *at == 0 && names.is_none());
        if let (Some((_, text)), Some(first)) = (of_type, columns.first_mut())
            && text.len() < first.1
            && data.iter().all(|line| line.get(text.len()).is_some_and(|c| c.is_alphanumeric()))
        {
            first.0 = text.len();
        }
        Some(Self { columns, names, condition })
    }
}

/// Whether a delimiter splits nearly all lines alike; within quotes it splits nothing, and in padded lines the comma of a
/// number neither: `7,50` or `1,204.50`.
fn is_delimited(lines: &[Vec<char>]) -> bool {
    let padded = lines.iter().filter(|line| line.windows(2).any(|two| two == [' ', ' '])).count();
    let are_padded = padded * 10 >= lines.len() * 8;
    [',', ';', '\t', '|'].into_iter().any(|mark| {
        let mut counts = std::collections::HashMap::new();
        for line in lines {
            let mut is_quoted = false;
            let splits = line.iter().enumerate().filter(|(at, c)| {
                is_quoted ^= **c == '"';
                **c == mark && !is_quoted && !(mark == ',' && are_padded && is_of_number(line, *at))
            });
            *counts.entry(splits.count()).or_insert(0usize) += 1;
        }
        let most = counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, lines)| lines).max();
        most.is_some_and(|most| most * 10 >= lines.len() * 8)
    })
}

/// Whether the comma at a place is one of a number: it stands between digits, and so do the others of the same word, which
/// has groups of three digits and at most one other group, its decimals.
fn is_of_number(line: &[char], at: usize) -> bool {
    let is_space = |c: &&char| **c == ' ';
    let before = line[..at].iter().rev().take_while(|c| !is_space(c)).count();
    let behind = line[at..].iter().take_while(|c| !is_space(c)).count();
    let word: String = line[at - before..at + behind].iter().collect();
    let number = word.trim_matches(|c: char| !c.is_ascii_digit() && c != ',');
    let (whole, decimals) = match number.rfind([',', '.']) {
        Some(last) if number[last + 1..].len() != 3 => (&number[..last], &number[last + 1..]),
        _ => (number, ""),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split([',', '.', '\'']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let is_first = if rest.is_empty() { !first.is_empty() } else { (1..=3).contains(&first.len()) };
    let has_decimals = !number.ends_with([',', '.']);
    is_first
        && has_decimals
        && are_digits(first)
        && are_digits(decimals)
        && rest.iter().all(|group| group.len() == 3 && are_digits(group))
}

/// The common beginning of data lines, if a few other lines (a header, a trailer) begin differently and look
/// different.
fn record_type(lines: &[Vec<char>]) -> Option<Vec<char>> {
    let middle = lines.get(lines.len() / 2)?;
    let is_like = |line: &Vec<char>| {
        let same = (0..middle.len()).filter(|at| kind(line.get(*at)) == kind(middle.get(*at)));
        same.count() * 10 >= middle.len() * 7
    };
    (1..=3).find_map(|length| {
        let prefix = middle.get(..length)?;
        let mut others = lines.iter().filter(|line| !line.starts_with(prefix)).peekable();
        let is_type = prefix.iter().all(char::is_ascii_alphanumeric)
            && others.peek().is_some()
            && !others.clone().any(is_like)
            && others.count() <= 4.min(lines.len() / 2);
        is_type.then(|| prefix.to_vec())
    })
}

/// How many lines have a space at a place.
fn spaces(data: &[&Vec<char>], at: usize) -> usize {
    data.iter().filter(|line| line.get(at).is_none_or(|c| *c == ' ')).count()
}

/// The columns between gaps. A gap belongs to the column before it, unless the text after it is aligned to the right.
fn columns_between(data: &[&Vec<char>], width: usize) -> Vec<Extent> {
    let mut runs: Vec<Extent> = Vec::new();
    for at in 0..width {
        match (spaces(data, at) * 100 >= data.len() * NEARLY_ALL, runs.last_mut()) {
            (true, _) => {}
            (false, Some(run)) if run.1 == at => run.1 += 1,
            (false, _) => runs.push((at, at + 1)),
        }
    }
    let is_at_the_right = |run: &Extent| spaces(data, run.0) > spaces(data, run.1 - 1);
    let starts = (0..runs.len()).map(|at| match at {
        0 => 0,
        at if is_at_the_right(&runs[at]) => runs[at - 1].1,
        at => runs[at].0,
    });
    let starts: Vec<usize> = starts.collect();
    let ends = starts.iter().skip(1).copied().chain([width]);
    starts.iter().copied().zip(ends).collect()
}

fn kind(c: Option<&char>) -> char {
    match c {
        None | Some(' ') => ' ',
        Some(c) if c.is_ascii_digit() => '9',
        Some(c) if c.is_alphabetic() => 'A',
        Some(c) => *c,
    }
}

/// The kind of character that nearly all lines have at each place; none where they differ.
fn kinds(data: &[&Vec<char>], width: usize) -> Vec<Option<char>> {
    let usual = |at: usize| {
        let first = kind(data.first()?.get(at));
        let same = data.iter().filter(|line| kind(line.get(at)) == first).count();
        (same * 100 >= data.len() * NEARLY_ALL).then_some(first)
    };
    (0..width).map(usual).collect()
}

/// The columns, with dates and times as columns of their own.
fn around_times(columns: Vec<Extent>, kinds: &[Option<char>]) -> Vec<Extent> {
    let ascii = |kind: &Option<char>| kind.filter(char::is_ascii).unwrap_or('?');
    let pattern: String = kinds.iter().map(ascii).collect();
    let mut edges = Vec::new();
    let mut at = 0;
    while let Some(found) = pattern.get(at..).and_then(|rest| rest.find("9999-99-99")) {
        let start = at + found;
        let time = ["A99:99:99", " 99:99:99", ""].into_iter();
        let length = time.map(|time| format!("9999-99-99{time}"));
        let length = length.filter(|it| pattern[start..].starts_with(it)).map(|it| it.len()).next();
        at = start + length.unwrap_or(10);
        edges.extend([start, at]);
    }
    let mut starts: Vec<usize> = columns.iter().map(|(start, _)| *start).collect();
    starts.retain(|start| !edges.chunks(2).any(|edge| edge[0] < *start && *start < edge[1]));
    // A gap behind a time belongs to it.
    let is_edge = |edge: &&usize| kinds.get(**edge).is_some_and(|kind| *kind != Some(' '));
    starts.extend(edges.iter().filter(is_edge));
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([kinds.len()]);
    starts.iter().copied().zip(ends).collect()
}

/// The column, or two if `true` and `false` begin it: nothing separates the longer word from the next column.
fn after_flag(data: &[&Vec<char>], (start, end): Extent) -> Vec<Extent> {
    const WIDTH: usize = 5;
    let cut = start + WIDTH;
    // The spaces at the end of a line are gone.
    let is = |line: &Vec<char>, word: &str| {
        let cell: String = line.iter().take(cut).skip(start).collect();
        cell.trim_end() == word
    };
    let both =
        data.iter().any(|line| is(line, "true")) && data.iter().any(|line| is(line, "false"));
    let all = data.iter().all(|line| is(line, "true") || is(line, "false"));
    let goes_on =
        data.iter().any(|line| line.iter().take(end).skip(cut).any(|character| *character != ' '));
    if both && all && goes_on { vec![(start, cut), (cut, end)] } else { vec![(start, end)] }
}

/// The columns of lines without gaps: where a number becomes a word, a word that varies becomes a number, or
/// padding ends. Signs within numbers and dates make no boundary, and constant letters before digits are one
/// identifier with them.
fn columns_by_kind(data: &[&Vec<char>], kinds: &[Option<char>]) -> Vec<Extent> {
    let is_padded = |at: usize| spaces(data, at) * 10 >= data.len();
    let varies = |end: usize| {
        let letters = kinds[..end].iter().rev().take_while(|kind| **kind == Some('A')).count();
        let word = |line: &&&Vec<char>| line.get(end - letters..end).map(<[char]>::to_vec);
        data.iter().any(|line| word(&line) != data.first().and_then(|first| word(&first)))
    };
    let width = kinds.len();
    let mut columns = vec![(0, width)];
    for at in 1..width {
        let is_boundary = match (kinds[at - 1], kinds[at]) {
            (Some('9'), Some('A')) => true,
            (Some('A'), Some('9')) => varies(at),
            (Some(' ') | None, Some('9' | 'A')) => is_padded(at - 1),
            _ => false,
        };
        if is_boundary && let Some(last) = columns.last_mut() {
            last.1 = at;
            columns.push((at, width));
        }
    }
    columns
}

/// The words of the header over each column.
fn names_of(head: &[char], columns: &[Extent]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (number, (start, end)) in columns.iter().enumerate() {
        let end = if number + 1 == columns.len() { head.len() } else { *end };
        let name: String =
            head.get(*start..end.min(head.len())).unwrap_or_default().iter().collect();
        let name = name.trim().to_owned();
        let name = if name.is_empty() { format!("#{}", number + 1) } else { name };
        let name = if names.contains(&name) { format!("{name} ({})", number + 1) } else { name };
        names.push(name);
    }
    names
}

/// A character that all lines of data have at a place, and the header has not.
fn constant(data: &[&Vec<char>], head: &[char]) -> Option<(usize, String)> {
    let first = data.first()?;
    let is_everywhere = |at: usize, c: char| {
        data.iter().all(|line| line.get(at) == Some(&c)) && head.get(at) != Some(&c)
    };
    let found = first.iter().enumerate().filter(|(_, c)| **c != ' ');
    let mut found = found.filter(|(at, c)| is_everywhere(*at, **c));
    found.next().map(|(at, c)| (at, c.to_string()))
}

/// Confidence in the columns: the share of lines in which no boundary cuts a word.
pub fn confidence(text: &str, layout: &Layout) -> f64 {
    let lines: Vec<Vec<char>> =
        text.lines().take(LINES).map(|line| line.chars().collect()).collect();
    let is_cut = |line: &Vec<char>| {
        layout
            .columns
            .iter()
            .skip(1)
            .any(|(start, _)| kind(line.get(start - 1)) == 'A' && kind(line.get(*start)) == 'A')
    };
    let whole = lines.iter().filter(|line| !is_cut(line)).count();
    0.9 * ratio(whole as u64, lines.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(text: &str) -> Option<Vec<usize>> {
        Some(Layout::of(text)?.columns.iter().map(|(start, _)| *start).collect())
    }

    #[test]
    fn spaces_between_columns_are_boundaries() {
        let text = "T1      12.50 2026-01-15 Alpha Ltd\n\
            T2    1312.50 2026-01-16 Beta\n\
            T13      2.50 2026-01-17 Gamma & Co\n\
            T4      -7.25 2026-01-18 The Delta Ltd\n";
        assert_eq!(starts(text), Some(vec![0, 3, 14, 25]));
        assert_eq!(Layout::of(text).unwrap().condition, None);
        assert!(confidence(text, &Layout::of(text).unwrap()) > 0.8);
    }

    #[test]
    fn commas_of_numbers_delimit_nothing_in_padded_lines() {
        let text = "00000001  1            7,50  02.02.2026\n\
            00000002  2        1.204,50  03.02.2026\n\
            00000003  13         -21,50  04.02.2026\n\
            00000004  4           28,5-  05.02.2026\n";
        assert_eq!(starts(text), Some(vec![0, 10, 12, 29]));
        let thousands = text.replace("1.204,50", "1,204.50").replace("    7,50", "3,007.50");
        let thousands = thousands.replace("   -21,50", "-2,121.50").replace("28,5-", "2,128");
        assert_eq!(starts(&thousands), Some(vec![0, 10, 12, 29]), "{thousands}");
        for delimited in [
            "1,    2,   3\n4,    5,   6\n7,    8,   9\n1,    2,   3\n",
            "1,2,3  x\n4,5,6  x\n7,8,9  x\n1,2,3  x\n",
            "2026-01-01 10:00,5\n2026-01-01 10:00,6\n2026-01-01 10:00,7\n2026-01-01 10:00,8\n",
            "a,1  x\nb,2  x\nc,3  x\nd,4  x\n",
        ] {
            assert_eq!(Layout::of(delimited), None, "{delimited}");
        }
    }

    #[test]
    fn flags_are_columns_of_their_own() {
        let text = "T1     12.50 true note one\n\
            T2   1312.50 falsenote two\n\
            T13     2.50 true note three\n\
            T4      7.25 falsenote four\n";
        assert_eq!(starts(text), Some(vec![0, 3, 13, 18, 23]));
    }

    #[test]
    fn a_header_names_columns_and_is_no_data() {
        let text = "ID    AMOUNT   DAY\n\
            T1     12.50   2026-01-15\n\
            T2   1312.50   2026-01-16\n\
            T13     2.50   2026-01-17\n\
            T4      7.25   2026-01-18\n";
        let layout = Layout::of(text).unwrap();
        assert_eq!(layout.names.unwrap(), ["ID", "AMOUNT", "DAY"]);
        assert_eq!(layout.condition, Some((0, "T".to_owned())));
    }

    #[test]
    fn record_types_tell_data_from_header_and_trailer() {
        let text = "H20260115\nD0001EUR 12\nD0002USD 13\nD0003CHF 14\nD0004EUR 15\nT4\n";
        let layout = Layout::of(text).unwrap();
        assert_eq!(layout.condition, Some((0, "D".to_owned())));
        assert_eq!(layout.columns, [(1, 9), (9, 11)]);
        assert_eq!(starts(&text.replace(' ', "0")), Some(vec![1, 5, 8]));
    }

    #[test]
    fn delimited_text_and_prose_are_not_of_fixed_width() {
        for text in [
            "id,amount\nT1,1\nT2,2\nT3,3\n",
            "id;amount\nT1;1,5\nT2;2,5\nT3;3\n",
            "The quick brown fox jumps over the lazy dog\nand runs.\nThe end\nis near, they say, but not yet\n",
            "id\n1\n2\n3\n4\n",
            "isin\nUS0378331005\nDE0007164600\nCH0038863350\nFR0000121014\n",
            "",
        ] {
            assert_eq!(Layout::of(text), None, "{text}");
        }
    }
}
