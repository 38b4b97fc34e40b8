//! Terminal colors. Color never carries meaning alone; the text says the same.

use std::fmt;

use anstyle::{AnsiColor, Style};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    #[default]
    Plain,
    /// With ANSI escape sequences.
    Colored,
}

impl Paint {
    pub const fn when(colored: bool) -> Self {
        if colored { Self::Colored } else { Self::Plain }
    }

    /// Headings and key facts.
    pub fn strong<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().bold(), text)
    }

    /// Secondary text.
    pub fn dim<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().dimmed(), text)
    }

    /// Success.
    pub fn good<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// Warnings.
    pub fn caution<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// Errors.
    pub fn bad<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// Commands and places.
    pub fn accent<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Cyan.on_default(), text)
    }

    fn with<T>(self, style: Style, text: T) -> Painted<T> {
        Painted { style: (self == Self::Colored).then_some(style), text }
    }
}

/// Colored text; the format's width and alignment apply to the text alone.
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    style: Option<Style>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(style) = self.style else { return self.text.fmt(f) };
        write!(f, "{}", style.render())?;
        self.text.fmt(f)?;
        write!(f, "{}", style.render_reset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_optional_and_padding_applies_to_the_text() {
        assert_eq!(format!("{:>4}", Paint::Plain.bad("ab")), "  ab");
        assert_eq!(format!("{:>4}", Paint::Colored.dim("ab")), "\u{1b}[2m  ab\u{1b}[0m");
    }
}
