//! What must not be stored with a run or shown in a complaint: passwords in URLs, and the values
//! of keys that are named like secrets.

/// The same text without the passwords of the URLs in it: `scheme://user:password@host` becomes
/// `scheme://user@host`, and a `password=` parameter loses its value.
pub fn without_passwords(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        clean.push_str(before);
        let end = after
            .find(|character: char| character.is_whitespace() || "'\"}".contains(character))
            .unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        // A password may hold `@`, `/` and `:`; the host that follows it holds no `@`.
        let parameters = url.find('?').unwrap_or(url.len());
        let (address, query) = url.split_at(parameters);
        match address.rsplit_once('@') {
            Some((user, host)) => {
                clean.push_str(user.split(':').next().unwrap_or_default());
                clean.push('@');
                clean.push_str(host);
            }
            None => clean.push_str(address),
        }
        clean.push_str(&without_secret_parameters(query));
        rest = tail;
    }
    clean.push_str(rest);
    clean
}

/// The same text, as long, with stars for the passwords of the URLs in it: for a line that is shown
/// with a mark below it.
pub fn masked(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        clean.push_str(before);
        let end = after
            .find(|character: char| character.is_whitespace() || "'\"}".contains(character))
            .unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        let parameters = url.find('?').unwrap_or(url.len());
        let (address, query) = url.split_at(parameters);
        match address.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host)))
        {
            Some(((user, password), host)) => {
                clean.extend([user, ":", &stars(password), "@", host]);
            }
            None => clean.push_str(address),
        }
        for (index, parameter) in query.split('&').enumerate() {
            clean.push_str(if index == 0 { "" } else { "&" });
            match parameter.split_once('=') {
                Some((name, value)) if is_secret(name) => clean.extend([name, "=", &stars(value)]),
                _ => clean.push_str(parameter),
            }
        }
        rest = tail;
    }
    clean.push_str(rest);
    clean
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

/// Whether a key or parameter of this name holds a secret.
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
        ] {
            assert_eq!(without_passwords(text), clean);
        }
    }

    #[test]
    fn a_line_that_is_shown_has_stars_for_passwords() {
        for (text, shown) in [
            ("store: 'postgres://me:pä@db/r' # x", "store: 'postgres://me:**@db/r' # x"),
            ("postgres://db/r?a=b&password=pw&c=d", "postgres://db/r?a=b&password=**&c=d"),
            ("postgres://me@db/recon: x", "postgres://me@db/recon: x"),
            ("https://a.b/c?d no secret", "https://a.b/c?d no secret"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
