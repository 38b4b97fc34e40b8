//! The password file of libpq (`PGPASSFILE`, else `~/.pgpass`): lines of
//! `host:port:database:user:password`, where `*` matches anything and `\` escapes `:` and `\`.
//! Files that other users may read are refused.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Problem};

/// The key of a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The host; a Unix socket is `localhost`.
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The file that the environment names, if it names one.
pub fn path(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    variable("PGPASSFILE")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".pgpass")))
}

/// The password for `login` in the file at `path`; `None` without file or matching line.
///
/// # Errors
/// A file that group or others may access, or that can't be read.
pub fn password(path: &Path, login: Login<'_>) -> Result<Option<String>, Problem> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        _ => return Ok(None),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Problem::new(
                Code::PasswordFile,
                format!("the password file has mode {mode:04o}: others could read it"),
            )
            .in_file(path)
            .help(format!("chmod 600 {}", path.display())));
        }
    }
    #[cfg(not(unix))]
    drop(metadata);
    let text = crate::files::read_text(path, crate::files::SMALL).map_err(|error| {
        Problem::new(Code::PasswordFile, format!("the password file can't be read: {error}"))
            .in_file(path)
    })?;
    Ok(text.lines().find_map(|line| match_line(line, login)))
}

fn match_line(line: &str, login: Login<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let port = login.port.to_string();
    let mut rest = line;
    for wanted in [login.host, &port, login.database, login.user] {
        let (field, tail) = split_field(rest)?;
        rest = tail;
        // A lone `*` matches anything; an escaped one is a name.
        if field.raw != "*" && field.text != wanted {
            return None;
        }
    }
    // The password ends at the line's end or at an unescaped colon, as in libpq.
    let password = split_field(rest).map_or_else(|| unescape(rest), |(field, _)| field.text);
    (!password.is_empty()).then_some(password)
}

struct Field<'a> {
    raw: &'a str,
    text: String,
}

fn split_field(text: &str) -> Option<(Field<'_>, &str)> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => {
                let (raw, rest) = text.split_at(at);
                return Some((Field { raw, text: unescape(raw) }, rest.strip_prefix(':')?));
            }
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: Login<'_> = Login { host: "db", port: 5432, database: "books", user: "a:b" };

    #[test]
    fn lines_match_by_wildcard_and_escape() {
        for (line, expected) in [
            (r"db:5432:books:a\:b:secret", Some("secret")),
            (r"*:*:*:*:se\:cr\\et", Some(r"se:cr\et")),
            (r"*:*:*:*:secret:rest", Some("secret")),
            (r"db:5433:books:*:secret", None),
            (r"db:*:books:a:secret", None),
            (r"\*:*:*:*:secret", None),
            (r"# *:*:*:*:secret", None),
            (r"*:*:*:*:", None),
            (r"*:*:*", None),
        ] {
            assert_eq!(match_line(line, LOGIN).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_first_matching_line_of_a_private_file_counts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x:*:*:*:one\n*:*:*:*:two\n*:*:*:*:three\n").unwrap();
        assert_eq!(password(file.path(), LOGIN), Ok(Some("two".to_owned())));
        assert_eq!(password(Path::new("/nonexistent/pgpass"), LOGIN), Ok(None));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "*:*:*:*:two\n").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let problem = password(file.path(), LOGIN).unwrap_err();
        assert!(problem.to_string().contains("mode 0640"), "{problem}");
        assert!(problem.to_string().contains("chmod 600"), "{problem}");
        assert!(!problem.to_string().contains("two"), "{problem}");
    }

    #[test]
    fn the_environment_names_the_file() {
        let both = |name: &str| Some(format!("/{name}"));
        assert_eq!(path(both), Some("/PGPASSFILE".into()));
        let home = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
        assert_eq!(path(home), Some("/home/ann/.pgpass".into()));
        assert_eq!(path(|_| None), None);
    }
}
