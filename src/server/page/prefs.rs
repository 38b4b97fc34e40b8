//! The user's page settings, kept in a cookie of the browser.

use crate::server::http::Request;
use crate::server::target::pairs;

use super::frame::Theme;
use super::profile::MOVABLE;
use crate::coding::escape;

const COOKIE: &str = "recon_page";
/// Lifetime of the cookie: a year.
const SECONDS: u32 = 31_536_000;
pub const SIZES: [u16; 4] = [25, 50, 100, 200];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefs {
    pub theme: Theme,
    pub size: u16,
    /// Lists have low rows.
    pub dense: bool,
    /// Single-letter shortcuts are on.
    pub shortcuts: bool,
    /// Remapped keys: default and present.
    pub keys: Vec<(char, char)>,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { theme: Theme::Auto, size: SIZES[0], dense: false, shortcuts: true, keys: Vec::new() }
    }
}

impl Prefs {
    pub fn of(request: &Request) -> Self {
        let text = request.cookie(COOKIE).unwrap_or_default();
        // The whole value is escaped, because cookies can't contain all characters.
        let whole = pairs(text).unwrap_or_default();
        let inner = whole.first().map(|(name, _)| name.as_str()).unwrap_or_default();
        Self::read(&pairs(inner).unwrap_or_default())
    }

    pub fn from_form(form: &[(String, String)]) -> Self {
        let mut prefs = Self::read(form);
        prefs.shortcuts = form.iter().any(|(name, value)| name == "shortcuts" && value == "on");
        prefs.keys = MOVABLE
            .iter()
            .filter_map(|(name, usual, _)| {
                let field = format!("key-{name}");
                let (_, value) = form.iter().find(|(own, _)| *own == field)?;
                let (usual, present) = (usual.chars().next()?, value.chars().next()?);
                (usual != present && is_key(present)).then_some((usual, present))
            })
            .collect();
        prefs
    }

    fn read(pairs: &[(String, String)]) -> Self {
        let mut prefs = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "theme" => prefs.theme = Theme::parse(value),
                "size" => {
                    let size = value.parse().ok().filter(|size| SIZES.contains(size));
                    prefs.size = size.unwrap_or(SIZES[0]);
                }
                "dense" => prefs.dense = value == "on",
                "shortcuts" => prefs.shortcuts = value != "off",
                "moved" => {
                    let characters: Vec<char> = value.chars().take(64).collect();
                    prefs.keys = characters
                        .chunks_exact(2)
                        .map(|pair| (pair[0], pair[1]))
                        .filter(|(usual, present)| is_key(*usual) && is_key(*present))
                        .collect();
                }
                _ => {}
            }
        }
        prefs
    }

    pub fn set_cookie(&self) -> String {
        let moved: String =
            self.keys.iter().flat_map(|(usual, present)| [*usual, *present]).collect();
        let text = format!(
            "theme={}&size={}&dense={}&shortcuts={}&moved={}",
            self.theme.word(),
            self.size,
            if self.dense { "on" } else { "off" },
            if self.shortcuts { "on" } else { "off" },
            escape(moved)
        );
        format!(
            "{COOKIE}={}; Path=/review; Max-Age={SECONDS}; HttpOnly; SameSite=Strict",
            escape(text)
        )
    }

    /// In the script's format.
    pub fn moved(&self) -> String {
        let pairs: Vec<String> =
            self.keys.iter().map(|(usual, present)| format!("{usual}={present}")).collect();
        pairs.join(" ")
    }

    /// The key that replaces a default key; empty if none does.
    pub fn present(&self, usual: &str) -> String {
        let moved = self.keys.iter().find(|(own, _)| usual.starts_with(*own));
        moved.map(|(_, present)| present.to_string()).unwrap_or_default()
    }

    /// A key that is used twice.
    pub fn clash(&self) -> Option<char> {
        let kept = MOVABLE
            .iter()
            .filter_map(|(_, usual, _)| usual.chars().next())
            .filter(|usual| !self.keys.iter().any(|(own, _)| own == usual));
        let mut all: Vec<char> =
            kept.chain(self.keys.iter().map(|(_, present)| *present)).collect();
        all.sort_unstable();
        all.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

/// Printable, and not used by a shortcut that can't be remapped.
fn is_key(key: char) -> bool {
    key.is_alphanumeric() && key != 'g'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::Method;

    #[test]
    fn settings_survive_the_cookie() {
        let form = [
            ("dense", "on"),
            ("theme", "dark"),
            ("size", "100"),
            ("key-next", "n"),
            ("key-previous", "p"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let prefs = Prefs::from_form(&form);
        assert!(prefs.dense);
        assert!(!prefs.shortcuts, "a box that is not ticked is not sent");
        let cookie = prefs.set_cookie();
        let (cookie, _) = cookie.split_once(';').unwrap();
        let request = Request::new(Method::Get, "/review").unwrap().with("cookie", cookie);
        assert_eq!(Prefs::of(&request), prefs);
        assert_eq!(prefs.moved(), "j=n k=p");
        assert_eq!(prefs.clash(), None);
        let twice = Prefs { keys: vec![('j', 'k')], ..Prefs::default() };
        assert_eq!(twice.clash(), Some('k'));
        let odd = Request::new(Method::Get, "/review").unwrap().with("cookie", "recon_page=%ff;%");
        assert_eq!(Prefs::of(&odd), Prefs::default());
    }
}
