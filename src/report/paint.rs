//! Color, where it was asked for. It never carries meaning alone: every painted word says the same
//! in black and white.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Whether to color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Text only.
    #[default]
    Plain,
    /// With ANSI escape sequences.
    Colored,
}

impl Paint {
    /// Colors, or not.
    pub const fn when(colored: bool) -> Self {
        if colored { Self::Colored } else { Self::Plain }
    }

    /// Headings and what matters most.
    pub fn strong<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().bold(), text)
    }

    /// What may be passed over.
    pub fn dim<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().dimmed(), text)
    }

    /// What is well.
    pub fn good<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// What needs somebody.
    pub fn caution<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// What is wrong.
    pub fn bad<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// What can be typed, and places.
    pub fn accent<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Cyan.on_default(), text)
    }

    fn with<T>(self, style: Style, text: T) -> Painted<T> {
        Painted { style: (self == Self::Colored).then_some(style), text }
    }
}

/// A text with its color; widths and alignments of the format apply to the text.
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
    fn colors_only_when_asked_and_pads_the_text() {
        assert_eq!(format!("{:>4}", Paint::Plain.bad("ab")), "  ab");
        assert_eq!(format!("{:>4}", Paint::Colored.dim("ab")), "\u{1b}[2m  ab\u{1b}[0m");
    }
}
