//! Names of months and weekdays in several languages.
//!
//! Names are kept in lower case and without accents, and compared so: `Août`, `AOUT` and `août` are
//! one name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A language whose names formats can ask for, as in `[de] %d. %B %Y`.
#[derive(Debug, PartialEq, Eq)]
pub struct Language {
    pub code: &'static str,
    months: [&'static str; 12],
    short_months: [&'static str; 12],
    weekdays: [&'static str; 7],
    short_weekdays: [&'static str; 7],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Months { full: bool },
    Weekdays { full: bool },
}

impl Language {
    pub fn of(code: &str) -> Option<&'static Self> {
        LANGUAGES.iter().find(|language| language.code == code)
    }

    fn names(&self, list: List) -> &[&'static str] {
        match list {
            List::Months { full: true } => &self.months,
            List::Months { full: false } => &self.short_months,
            List::Weekdays { full: true } => &self.weekdays,
            List::Weekdays { full: false } => &self.short_weekdays,
        }
    }

    /// The position of the name at the start of `text`, and the rest. A point that shortens the name belongs to it.
    pub(super) fn read<'t>(
        &self,
        list: List,
        text: &'t [u8],
        with_point: bool,
    ) -> Option<(u32, &'t [u8])> {
        let text = std::str::from_utf8(text).ok()?;
        let found = self.names(list).iter().zip(0..).find_map(|(names, at)| {
            let mut alternatives = names.split('|');
            Some((at, alternatives.find_map(|name| without_name(text, name))?))
        });
        let (at, rest) = found?;
        let rest = if with_point { rest.strip_prefix('.').unwrap_or(rest) } else { rest };
        Some((at, rest.as_bytes()))
    }

    /// The usual name of this number.
    pub(super) fn name(&self, list: List, at: u32) -> &'static str {
        let names = self.names(list).get(at as usize).copied().unwrap_or_default();
        names.split('|').next().unwrap_or_default()
    }
}

/// The rest of `text` after the whole word `name`.
fn without_name<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut expected = name.chars();
    let mut rest = text.char_indices();
    let mut end = 0;
    while !expected.as_str().is_empty() {
        let (at, character) = rest.next()?;
        for plain in plain(character) {
            if expected.next() != Some(plain) {
                return None;
            }
        }
        end = at + character.len_utf8();
    }
    let after = text.get(end..)?;
    let after = after.trim_start_matches(is_combining_mark);
    (!after.starts_with(char::is_alphabetic)).then_some(after)
}

/// A character in lower case without its accents.
fn plain(character: char) -> impl Iterator<Item = char> {
    let base = match character {
        'ł' | 'Ł' => 'l',
        'ø' | 'Ø' => 'o',
        other => other,
    };
    std::iter::once(base)
        .nfd()
        .filter(|part| !is_combining_mark(*part))
        .flat_map(char::to_lowercase)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The codes of all languages.
pub fn codes() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|language| language.code)
}

macro_rules! language {
    ($code:literal, $months:literal, $short_months:literal, $weekdays:literal, $short_weekdays:literal) => {
        Language {
            code: $code,
            months: words($months),
            short_months: words($short_months),
            weekdays: words($weekdays),
            short_weekdays: words($short_weekdays),
        }
    };
}

/// The words of a text, which has as many as the list needs.
fn words<const N: usize>(text: &'static str) -> [&'static str; N] {
    let mut words = text.split(' ');
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

static LANGUAGES: std::sync::LazyLock<[Language; 14]> = std::sync::LazyLock::new(|| {
    [
        language!(
            "en",
            "january february march april may june july august september october november december",
            "jan feb mar apr may jun jul aug sep|sept oct nov dec",
            "monday tuesday wednesday thursday friday saturday sunday",
            "mon tue|tues wed thu|thur|thurs fri sat sun"
        ),
        language!(
            "de",
            "januar|janner februar|feber marz|maerz april mai juni juli august september oktober november dezember",
            "jan feb mrz|mar|maer apr mai jun|juni jul|juli aug sep|sept okt nov dez",
            "montag dienstag mittwoch donnerstag freitag samstag|sonnabend sonntag",
            "mo di mi do fr sa so"
        ),
        language!(
            "fr",
            "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
            "janv|jan fevr|fev mars|mar avr mai juin juil aout|aou sept|sep oct nov dec",
            "lundi mardi mercredi jeudi vendredi samedi dimanche",
            "lun mar mer jeu ven sam dim"
        ),
        language!(
            "es",
            "enero febrero marzo abril mayo junio julio agosto septiembre|setiembre octubre noviembre diciembre",
            "ene feb mar abr may jun jul ago sep|sept|set oct nov dic",
            "lunes martes miercoles jueves viernes sabado domingo",
            "lun mar mie jue vie sab dom"
        ),
        language!(
            "it",
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
            "gen|genn feb|febb mar apr mag giu lug ago set|sett ott nov dic",
            "lunedi martedi mercoledi giovedi venerdi sabato domenica",
            "lun mar mer gio ven sab dom"
        ),
        language!(
            "nl",
            "januari februari maart april mei juni juli augustus september oktober november december",
            "jan feb mrt|maa apr mei jun jul aug sep|sept okt nov dec",
            "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
            "ma di wo do vr za zo"
        ),
        language!(
            "pt",
            "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
            "jan fev mar abr mai jun jul ago set out nov dez",
            "segunda-feira|segunda terca-feira|terca quarta-feira|quarta quinta-feira|quinta sexta-feira|sexta sabado domingo",
            "seg ter qua qui sex sab dom"
        ),
        language!(
            "pl",
            "stycznia|styczen lutego|luty marca|marzec kwietnia|kwiecien maja|maj czerwca|czerwiec lipca|lipiec sierpnia|sierpien wrzesnia|wrzesien pazdziernika|pazdziernik listopada|listopad grudnia|grudzien",
            "sty lut mar kwi maj cze lip sie wrz paz lis gru",
            "poniedzialek wtorek sroda czwartek piatek sobota niedziela",
            "pon|pn wt|wto sr|sro czw|cz pt|pia sob|sb niedz|nd|nie"
        ),
        language!(
            "sv",
            "januari februari mars april maj juni juli augusti september oktober november december",
            "jan feb mars|mar apr maj juni|jun juli|jul aug sep|sept okt nov dec",
            "mandag tisdag onsdag torsdag fredag lordag sondag",
            "man tis ons tors|tor fre lor son"
        ),
        language!(
            "da",
            "januar februar marts april maj juni juli august september oktober november december",
            "jan feb mar apr maj jun jul aug sep|sept okt nov dec",
            "mandag tirsdag onsdag torsdag fredag lordag sondag",
            "man tir|tirs ons tor|tors fre lor son"
        ),
        language!(
            "nb",
            "januar februar mars april mai juni juli august september oktober november desember",
            "jan feb mars|mar apr mai juni|jun juli|jul aug sep|sept okt nov des",
            "mandag tirsdag onsdag torsdag fredag lordag sondag",
            "man tir|tirs ons tor|tors fre lor son"
        ),
        language!(
            "cs",
            "ledna|leden unora|unor brezna|brezen dubna|duben kvetna|kveten cervna|cerven cervence|cervenec srpna|srpen zari rijna|rijen listopadu|listopad prosince|prosinec",
            "led uno bre dub kve cer|cvn cvc srp zar rij lis pro",
            "pondeli utery streda ctvrtek patek sobota nedele",
            "po ut st ct pa so ne"
        ),
        language!(
            "ru",
            "января|январь февраля|февраль марта|март апреля|апрель мая|маи июня|июнь июля|июль августа|август сентября|сентябрь октября|октябрь ноября|ноябрь декабря|декабрь",
            "янв фев|февр мар апр мая|маи июн июл авг сен|сент окт ноя|нояб дек",
            "понедельник вторник среда четверг пятница суббота воскресенье",
            "пн вт ср чт пт сб вс"
        ),
        language!(
            "tr",
            "ocak subat mart nisan mayıs|mayis haziran temmuz agustos eylul ekim kasım|kasim aralık|aralik",
            "oca sub mar nis may haz tem agu eyl eki kas ara",
            "pazartesi salı|sali carsamba persembe cuma cumartesi pazar",
            "pzt|pts sal car per cum cmt|cts paz|pz"
        ),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_all_its_names_and_reads_them_back() {
        for language in LANGUAGES.iter() {
            for list in [
                List::Months { full: true },
                List::Months { full: false },
                List::Weekdays { full: true },
                List::Weekdays { full: false },
            ] {
                let names = language.names(list);
                for (names, at) in names.iter().zip(0..) {
                    for name in names.split('|') {
                        assert!(!name.is_empty(), "{} {list:?}", language.code);
                        let read = language.read(list, name.as_bytes(), false);
                        assert_eq!(read, Some((at, &b""[..])), "{} {name}", language.code);
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_whole_words_in_any_case_with_and_without_accents() {
        let french = Language::of("fr").unwrap();
        let months = List::Months { full: true };
        for (text, found) in [
            ("Août 2026", Some((7, " 2026"))),
            ("AOUT", Some((7, ""))),
            ("aou\u{302}t!", Some((7, "!"))),
            ("mars", Some((2, ""))),
            ("marsa", None),
            ("mar", None),
            ("", None),
        ] {
            let read = french.read(months, text.as_bytes(), true);
            assert_eq!(
                read.map(|(at, rest)| (at, std::str::from_utf8(rest).unwrap())),
                found,
                "{text}"
            );
        }
        let short = List::Months { full: false };
        assert_eq!(french.read(short, "févr. 2026".as_bytes(), true), Some((1, &b" 2026"[..])));
        assert_eq!(french.read(short, "févr. 2026".as_bytes(), false), Some((1, &b". 2026"[..])));
        let polish = Language::of("pl").unwrap();
        assert_eq!(polish.read(months, "październik".as_bytes(), true), Some((9, &b""[..])));
        let day = List::Weekdays { full: true };
        assert_eq!(polish.read(day, "Poniedziałek".as_bytes(), true), Some((0, &b""[..])));
        let portuguese = Language::of("pt").unwrap();
        assert_eq!(portuguese.read(day, "terça-feira, 3".as_bytes(), true), Some((1, &b", 3"[..])));
        assert_eq!(portuguese.read(day, "Terça".as_bytes(), true), Some((1, &b""[..])));
    }
}
