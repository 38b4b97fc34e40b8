//! Secrets, which must not be stored with a run or shown in a message: passwords in URLs and values
//! of keys named like secrets.

/// The same text without the passwords of the URLs in it: `scheme://user:password@host` becomes
/// `scheme://user@host`, and a `password=` parameter loses its value.
pub fn without_passwords(text: &str) -> String {
    each_word(text, |word, clean| match parted(word) {
        Parted { before, password: Some(_), after, query } => {
            clean.push_str(before.strip_suffix(':').unwrap_or(before));
            clean.push_str(after);
            clean.push_str(&without_secret_parameters(query));
        }
        Parted { before, query, .. } => {
            clean.push_str(before);
            let is_url = before.contains("://");
            let query = if is_url { without_secret_parameters(query) } else { query.to_owned() };
            clean.push_str(&query);
        }
    })
}

/// The same text, as long, with stars for the passwords of the URLs in it: for a line that is shown with a mark below
/// it. When in doubt it hides: also in texts without a scheme or a host that may be URLs.
pub fn masked(text: &str) -> String {
    each_word(text, |word, clean| {
        let mut parts = parted(word);
        if parts.password.is_none() {
            parts = half_a_url(word).unwrap_or(parts);
        }
        let Parted { before, password, after, query } = parts;
        if let Some((name, value)) = before.split_once('=')
            && is_secret(name)
        {
            clean.extend([name, "=", &stars(value), query]);
            return;
        }
        clean.push_str(before);
        if let Some(password) = password {
            clean.push_str(&stars(password));
            clean.push_str(after);
        }
        for (index, parameter) in query.split('&').enumerate() {
            clean.push_str(if index == 0 { "" } else { "&" });
            match parameter.split_once('=') {
                Some((name, value)) if is_secret(name) => clean.extend([name, "=", &stars(value)]),
                _ => clean.push_str(parameter),
            }
        }
    })
}

/// Calls `each` for every word that might be a URL; the text between words is kept.
fn each_word(text: &str, each: impl Fn(&str, &mut String)) -> String {
    let ends = |character: char| character.is_whitespace() || "'\"}".contains(character);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        each(word, &mut clean);
        let parting = after.chars().next().map_or(0, char::len_utf8);
        let (parting, tail) = after.split_at(parting);
        clean.push_str(parting);
        rest = tail;
    }
    clean
}

/// A word that might be a URL, mistyped or not.
struct Parted<'a> {
    /// Up to the password, or to the parameters.
    before: &'a str,
    password: Option<&'a str>,
    /// From `@` on.
    after: &'a str,
    /// The parameters with their `?`.
    query: &'a str,
}

/// The password is between the first `:` after the user and the last `@`: it may contain `@`, `/`,
/// `:` and `?`, but the host after it has no `@`. The scheme may be mistyped (`postgres//`,
/// `postgres:/`).
fn parted(word: &str) -> Parted<'_> {
    let scheme = scheme_end(word);
    let (scheme, rest) = word.split_at(scheme);
    let parameters = rest.find('?').unwrap_or(rest.len());
    let host = match rest.get(..parameters).and_then(|address| address.rfind('@')) {
        Some(at) => Some(at),
        None if !scheme.is_empty() => rest.rfind('@'),
        None => None,
    };
    let secret = host.and_then(|at| Some((rest.get(..at)?.find(':')? + 1, at)));
    if let Some((from, to)) = secret
        && !scheme.is_empty()
    {
        let after = rest.get(to..).unwrap_or_default();
        let (after, query) = after.split_at(after.find('?').unwrap_or(after.len()));
        return Parted {
            before: word.get(..scheme.len() + from).unwrap_or_default(),
            password: rest.get(from..to),
            after,
            query,
        };
    }
    let (before, query) = word.split_at(scheme.len() + parameters);
    Parted { before, password: None, after: "", query }
}

/// A word such as `user:password@host`, or `postgres://user:password`.
fn half_a_url(word: &str) -> Option<Parted<'_>> {
    let scheme = scheme_end(word);
    let from = scheme + word.get(scheme..)?.find(':')? + 1;
    let rest = word.get(from..)?;
    let until = match rest.rfind('@') {
        Some(at) => at,
        None if scheme > 0 => rest.find(['/', '?']).unwrap_or(rest.len()),
        None => return None,
    };
    let password = rest.get(..until).filter(|text| !text.bytes().all(|b| b.is_ascii_digit()))?;
    Some(Parted {
        before: word.get(..from)?,
        password: Some(password),
        after: rest.get(until..)?,
        query: "",
    })
}

/// Start of the address behind what looks like the scheme of a URL; 0 for a word without one.
fn scheme_end(word: &str) -> usize {
    let is_mark = |character: char| ":/\\;".contains(character);
    if let Some(at) = word.find("://") {
        return at + "://".len();
    }
    let lower = word.to_ascii_lowercase();
    for name in ["postgresql", "postgres", "psql", "pgsql", "postgre", "pg"] {
        if let Some(at) = lower.find(name) {
            let rest = word.get(at + name.len()..).unwrap_or_default();
            let marks = rest.len() - rest.trim_start_matches(is_mark).len();
            if marks > 0 {
                return at + name.len() + marks;
            }
        }
    }
    // `xyz:/u:p@h`, `xyz//u:p@h`: two marks in a row.
    let marks = word
        .as_bytes()
        .windows(2)
        .position(|pair| pair.iter().all(|byte| is_mark(char::from(*byte))));
    marks.map_or(0, |at| {
        let rest = word.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_start_matches(is_mark).len()
    })
}

fn stars(text: &str) -> String {
    "*".repeat(text.chars().count())
}

fn without_secret_parameters(query: &str) -> String {
    let Some(parameters) = query.strip_prefix('?') else { return query.to_owned() };
    let kept: Vec<&str> = parameters
        .split('&')
        .filter(|parameter| !is_secret(parameter.split('=').next().unwrap_or_default()))
        .collect();
    if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
}

pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passwd", "secret", "token", "api_key", "private_key"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_gone_and_nothing_else() {
        for (text, clean) in [
            ("postgres://me:pw@db/recon", "postgres://me@db/recon"),
            (
                "postgres://me:p@w/x:y@db:5432/recon?sslmode=require",
                "postgres://me@db:5432/recon?sslmode=require",
            ),
            (
                "postgres://db/recon?user=me&password=pw&sslmode=require",
                "postgres://db/recon?user=me&sslmode=require",
            ),
            ("postgres://db/recon?password=pw", "postgres://db/recon"),
            ("${STORE:-postgres://me:pw@db/recon} # x", "${STORE:-postgres://me@db/recon} # x"),
            ("sqlite:recon.db", "sqlite:recon.db"),
            ("postgres://me@db/recon", "postgres://me@db/recon"),
            ("postgres//me:pw@db/recon", "postgres//me@db/recon"),
            ("postgres:/me:pw@db", "postgres:/me@db"),
            ("postgres:me:pw@db", "postgres:me@db"),
            ("Postgresql:\\\\me:pw@db", "Postgresql:\\\\me@db"),
            ("postgres://me:p?w@db/r?a=b", "postgres://me@db/r?a=b"),
            ("x//me:pw@db", "x//me@db"),
            ("at 10:30 a@b.com, x:y", "at 10:30 a@b.com, x:y"),
            ("in/x:y@z.csv", "in/x:y@z.csv"),
        ] {
            assert_eq!(without_passwords(text), clean);
        }
    }

    #[test]
    fn a_shown_line_has_stars_for_passwords() {
        for (text, shown) in [
            ("store: 'postgres://me:pä@db/r' # x", "store: 'postgres://me:**@db/r' # x"),
            ("postgres://db/r?a=b&password=pw&c=d", "postgres://db/r?a=b&password=**&c=d"),
            ("postgres://me@db/recon: x", "postgres://me@db/recon: x"),
            ("store: postgres//me:pw@db/r", "store: postgres//me:**@db/r"),
            ("store: postgres:/me:p?w@db/r", "store: postgres:/me:***@db/r"),
            ("https://a.b/c?d no secret", "https://a.b/c?d no secret"),
            ("store: me:pw@db/r", "store: me:**@db/r"),
            ("store: postgres://me:pw", "store: postgres://me:**"),
            ("store: postgres://db:5432/r", "store: postgres://db:5432/r"),
            ("host=db password=pw user=me", "host=db password=** user=me"),
            ("at 10:30 a@b.com, x:y", "at 10:30 a@b.com, x:y"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
