//! Settings of one's own page, kept in a cookie of the browser: they are nobody else's business.

use crate::server::http::Request;
use crate::server::target::pairs;

use super::frame::Theme;
use super::profile::MOVABLE;
use crate::coding::escape;

/// The cookie's name.
const COOKIE: &str = "recon_page";
/// How long a browser keeps it: a year.
const SECONDS: u32 = 31_536_000;
/// The sizes of a page that one may choose.
pub const SIZES: [u16; 4] = [25, 50, 100, 200];

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefs {
    /// Light, dark, or as the device says.
    pub theme: Theme,
    /// Rows of a list.
    pub size: u16,
    /// Whether single keys do anything.
    pub shortcuts: bool,
    /// Keys that were moved: the usual one and the present one.
    pub keys: Vec<(char, char)>,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { theme: Theme::Auto, size: SIZES[0], shortcuts: true, keys: Vec::new() }
    }
}

impl Prefs {
    /// The settings of the browser that sent this request.
    pub fn of(request: &Request) -> Self {
        let text = request.cookie(COOKIE).unwrap_or_default();
        // The value was escaped as a whole, so that it is one word.
        let whole = pairs(text).unwrap_or_default();
        let inner = whole.first().map(|(name, _)| name.as_str()).unwrap_or_default();
        Self::read(&pairs(inner).unwrap_or_default())
    }

    /// The settings that a form sent.
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

    /// The header that gives a browser these settings.
    pub fn set_cookie(&self) -> String {
        let moved: String =
            self.keys.iter().flat_map(|(usual, present)| [*usual, *present]).collect();
        let text = format!(
            "theme={}&size={}&shortcuts={}&moved={}",
            self.theme.word(),
            self.size,
            if self.shortcuts { "on" } else { "off" },
            escape(&moved)
        );
        format!(
            "{COOKIE}={}; Path=/review; Max-Age={SECONDS}; HttpOnly; SameSite=Strict",
            escape(&text)
        )
    }

    /// The moved keys as the script reads them.
    pub fn moved(&self) -> String {
        let pairs: Vec<String> =
            self.keys.iter().map(|(usual, present)| format!("{usual}={present}")).collect();
        pairs.join(" ")
    }

    /// The present key in place of a usual one; empty if it was not moved.
    pub fn present(&self, usual: &str) -> String {
        let moved = self.keys.iter().find(|(own, _)| usual.starts_with(*own));
        moved.map(|(_, present)| present.to_string()).unwrap_or_default()
    }

    /// Keys of which two do the same, if any.
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

/// What can be pressed, and is not needed for something that can't be moved.
fn is_key(key: char) -> bool {
    key.is_alphanumeric() && key != 'g'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::Method;

    #[test]
    fn settings_come_back_as_they_went() {
        let form = [("theme", "dark"), ("size", "100"), ("key-next", "n"), ("key-previous", "p")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let prefs = Prefs::from_form(&form);
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
