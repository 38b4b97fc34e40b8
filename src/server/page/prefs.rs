//! The user's page settings, kept in a cookie of the browser.

use crate::server::http::Request;
use crate::server::target::pairs;

use super::frame::Theme;
use crate::coding::escape;

const COOKIE: &str = "recon_page";
/// Lifetime of the cookie: a year.
const SECONDS: u32 = 31_536_000;
const SIZES: [u16; 4] = [25, 50, 100, 200];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefs {
    pub theme: Theme,
    pub size: u16,
    /// Lists have low rows.
    pub dense: bool,
    /// Single-letter shortcuts are on.
    pub shortcuts: bool,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { theme: Theme::Auto, size: SIZES[0], dense: false, shortcuts: true }
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
                _ => {}
            }
        }
        prefs
    }

    pub fn set_cookie(&self) -> String {
        let text = format!(
            "theme={}&size={}&dense={}&shortcuts={}",
            self.theme.word(),
            self.size,
            if self.dense { "on" } else { "off" },
            if self.shortcuts { "on" } else { "off" },
        );
        format!(
            "{COOKIE}={}; Path=/review; Max-Age={SECONDS}; HttpOnly; SameSite=Strict",
            escape(text)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::Method;

    #[test]
    fn settings_survive_the_cookie() {
        let form = [("dense", "on"), ("theme", "dark"), ("size", "100")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let prefs = Prefs::from_form(&form);
        assert!(prefs.dense);
        assert!(!prefs.shortcuts, "a box that is not ticked is not sent");
        let cookie = prefs.set_cookie();
        let (cookie, _) = cookie.split_once(';').unwrap();
        let request = Request::new(Method::Get, "/review").unwrap().with("cookie", cookie);
        assert_eq!(Prefs::of(&request), prefs);
        let odd = Request::new(Method::Get, "/review").unwrap().with("cookie", "recon_page=%ff;%");
        assert_eq!(Prefs::of(&odd), Prefs::default());
    }
}
