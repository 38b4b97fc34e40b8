//! Reads messages element by element; one entry is in memory at a time.

use std::collections::BTreeSet;
use std::io::Read;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::super::input::{Counted, LONGEST, undecodable, unread};
use super::super::{Balances, Proof, Row, Rows, Waiting, add, given, malformed, signed};
use super::{
    Begin, DEEPEST, Details, Element, Entry, Level, MESSAGES, MOST_ELEMENTS, MOST_TRANSACTIONS,
    OpenPages, Page, Pages, Statement, account_number,
};
use crate::diagnostic::{Code, Place, Problem};
use crate::domain::Decimal;

/// A message at hand: the element of its statements, how deep it lies, and its page.
#[derive(Clone, Copy, Debug)]
struct Message {
    name: &'static str,
    statement: &'static str,
    depth: usize,
    statements: u64,
    page: Option<Page>,
}

enum Tag {
    Open { name: String, currency: String },
    Text(String),
    Close,
    End,
}

pub struct Camt<'r> {
    xml: Reader<Counted<'r>>,
    buffer: Vec<u8>,
    /// How many elements are open.
    depth: usize,
    /// The first element, and its namespace, for a complaint.
    root: Option<(String, String)>,
    message: Option<Message>,
    has_message: bool,
    statement: Option<Box<Statement>>,
    is_done: bool,
    level: Level,
    proof: Proof,
    parts: Vec<String>,
    pages: OpenPages,
    waiting: Waiting,
}

impl<'r> Camt<'r> {
    pub fn new(text: impl Read + Send + 'r, level: Level, proof: Proof) -> Self {
        let mut xml = Reader::from_reader(Counted::new(text));
        xml.config_mut().expand_empty_elements = true;
        Self {
            xml,
            buffer: Vec::new(),
            depth: 0,
            root: None,
            message: None,
            has_message: false,
            statement: None,
            is_done: false,
            level,
            proof,
            parts: Vec::new(),
            pages: OpenPages::default(),
            waiting: Waiting::new(),
        }
    }

    fn line(&self) -> u64 {
        self.xml.get_ref().line()
    }

    fn tag(&mut self) -> Result<Tag, Problem> {
        loop {
            self.buffer.clear();
            self.xml.get_mut().refill();
            let line = self.xml.get_ref().line();
            let event = self.xml.read_event_into(&mut self.buffer);
            let event = match event {
                Ok(event) => event,
                Err(error) => return Err(not_well_formed(&error, self.line())),
            };
            match event {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        let message = format!("elements lie more than {DEEPEST} deep");
                        return Err(malformed(line, message));
                    }
                    let name = start.local_name().as_ref().to_owned();
                    if self.root.is_none() {
                        let namespace = attribute(&start, "xmlns");
                        self.root = Some((name.clone(), namespace));
                    }
                    return Ok(Tag::Open { name, currency: attribute(&start, "Ccy") });
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Tag::Close);
                }
                Event::Text(text) => {
                    if self.depth > 0 {
                        return Ok(Tag::Text(text.xml10_content().into_owned()));
                    }
                    if !text.trim().is_empty() {
                        return Err(malformed(
                            line,
                            "this is not XML: text stands outside of every element",
                        ));
                    }
                }
                Event::CData(text) => return Ok(Tag::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(reference) => {
                    return match resolved(&reference) {
                        Some(character) => Ok(Tag::Text(character.to_string())),
                        None => Err(malformed(
                            line,
                            format!("unknown entity `&{};`", &*reference),
                        )
                        .help(
                            "entities are never expanded; the bank should write the text itself",
                        )),
                    };
                }
                Event::DocType(_) => {
                    return Err(Problem::new(
                        Code::XmlDoctype,
                        "this XML declares a document type, which statements never do",
                    )
                    .at(Place { line, ..Place::default() })
                    .help("remove the declaration if you trust the file; entities are never expanded, and nothing is fetched"));
                }
                Event::Eof => return Ok(Tag::End),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn cut_short(&self) -> Problem {
        malformed(self.line(), "the file ends in the middle of an element")
            .help("fetch the whole file again")
    }

    /// The element that has just been opened, with all that is in it.
    fn element(&mut self, name: String, currency: String) -> Result<Element, Problem> {
        let line = self.line();
        let mut path = vec![Element { name, currency, ..Element::default() }];
        let mut count = 0;
        loop {
            match self.tag()? {
                Tag::Open { name, currency } => {
                    count += 1;
                    if count > MOST_ELEMENTS {
                        let message = format!("more than {MOST_ELEMENTS} elements in one");
                        return Err(malformed(line, message));
                    }
                    path.push(Element { name, currency, ..Element::default() });
                }
                Tag::Text(text) => {
                    if let Some(element) = path.last_mut() {
                        if element.text.len() + text.len() > LONGEST {
                            return Err(malformed(line, "more than 1 MiB of text in one element"));
                        }
                        element.text.push_str(&text);
                    }
                }
                Tag::Close => {
                    let Some(element) = path.pop() else { return Err(self.cut_short()) };
                    match path.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Tag::End => return Err(self.cut_short()),
            }
        }
    }

    /// Reads on by one piece of the file.
    fn step(&mut self) -> Result<(), Problem> {
        let line = self.line();
        let tag = self.tag()?;
        match (tag, self.message) {
            (Tag::End, _) => self.end_file(),
            (Tag::Text(_), _) => Ok(()),
            (Tag::Open { name, currency }, Some(message)) => match &self.statement {
                Some(_) if self.depth == message.depth + 2 => self.piece(name, currency, line),
                None if self.depth == message.depth + 1 && name == message.statement => {
                    self.begin_statement(line);
                    Ok(())
                }
                None if self.depth == message.depth + 1 && name == "GrpHdr" => {
                    let header = self.element(name, currency)?;
                    if let Some(message) = &mut self.message {
                        message.page = header.child("MsgPgntn").map(Page::of);
                    }
                    Ok(())
                }
                _ => Ok(()),
            },
            (Tag::Open { name, .. }, None) => {
                let known = MESSAGES.iter().find(|(message, _)| name.starts_with(message));
                if let Some(&(name, statement)) = known {
                    self.has_message = true;
                    let depth = self.depth;
                    self.message =
                        Some(Message { name, statement, depth, statements: 0, page: None });
                }
                Ok(())
            }
            (Tag::Close, Some(message)) if self.depth == message.depth => {
                self.end_statement(message)
            }
            (Tag::Close, Some(message)) if self.depth < message.depth => {
                self.message = None;
                if message.statements == 0 {
                    let (name, statement) = (message.name, message.statement);
                    return Err(malformed(line, format!("`{name}` has no `{statement}` in it")));
                }
                Ok(())
            }
            (Tag::Close, _) => Ok(()),
        }
    }

    fn begin_statement(&mut self, line: u64) {
        let page = self.message.as_mut().and_then(|message| {
            message.statements += 1;
            message.page
        });
        let part = self.parts.len();
        self.parts.push(String::new());
        let balances = Balances { line, ..Balances::default() };
        self.statement = Some(Box::new(Statement { part, balances, page, ..Statement::default() }));
    }

    /// Adds an element that was opened in a statement.
    fn piece(&mut self, name: String, currency: String, line: u64) -> Result<(), Problem> {
        if name == "Ntry" {
            return self.entry(line);
        }
        let is_known = matches!(name.as_str(), "Id" | "Acct" | "Bal") || name.ends_with("Pgntn");
        if !is_known {
            return Ok(());
        }
        let element = self.element(name, currency)?;
        let Some(statement) = &mut self.statement else { return Ok(()) };
        match element.name.as_str() {
            "Id" => statement.balances.statement = given(&element.text),
            "Acct" => statement.balances.account = account_number(&element),
            "Bal" => statement.balance(&element, line)?,
            _ => {
                statement.page = Some(Page::of(&element));
                statement.has_own_page = true;
            }
        }
        if let Some(name) = self.parts.last_mut() {
            *name = statement.balances.part_name();
        }
        Ok(())
    }

    /// Reads an entry and makes rows of it.
    fn entry(&mut self, line: u64) -> Result<(), Problem> {
        let mut fields = Element::default();
        let mut transactions = Vec::new();
        let mut batch = None;
        let depth = self.depth;
        loop {
            let line = self.line();
            match self.tag()? {
                Tag::Open { name, currency } => match name.as_str() {
                    // Its children are read one by one.
                    "NtryDtls" => {}
                    "TxDtls" => {
                        if transactions.len() >= MOST_TRANSACTIONS {
                            let message =
                                format!("more than {MOST_TRANSACTIONS} transactions in one entry");
                            return Err(malformed(line, message));
                        }
                        let element = self.element(name, currency)?;
                        transactions.push(Details::of(&element, line)?);
                    }
                    "Btch" => {
                        let element = self.element(name, currency)?;
                        batch = element.text(&[&["PmtInfId"], &["MsgId"]]).or(batch);
                    }
                    _ => {
                        if fields.children.len() >= MOST_ELEMENTS {
                            let message = format!("more than {MOST_ELEMENTS} elements in one");
                            return Err(malformed(line, message));
                        }
                        let element = self.element(name, currency)?;
                        fields.children.push(element);
                    }
                },
                Tag::Close if self.depth < depth => break,
                Tag::Close | Tag::Text(_) => {}
                Tag::End => return Err(self.cut_short()),
            }
        }
        let entry = Entry { batch_reference: batch, ..Entry::of(&fields, line)? };
        self.rows_of(&entry, &transactions)
    }

    fn rows_of(&mut self, entry: &Entry, transactions: &[Details]) -> Result<(), Problem> {
        let Some(statement) = &mut self.statement else { return Ok(()) };
        let balances = &mut statement.balances;
        if entry.is_booked() {
            balances.book(&entry.currency, entry.amount, entry.line)?;
        }
        if self.level == Level::Transaction
            && let Some(amounts) = amounts_of(entry, transactions)?
        {
            for (details, amount) in transactions.iter().zip(amounts) {
                let mut row = balances.row(statement.part, details.line);
                entry.fill(&mut row, details, amount);
                self.waiting.push_back(row);
            }
            return Ok(());
        }
        let mut row = balances.row(statement.part, entry.line);
        let details = match transactions {
            [one] => Details { is_credit: None, ..one.clone() },
            _ => Details::default(),
        };
        entry.fill(&mut row, &details, entry.amount);
        self.waiting.push_back(row);
        Ok(())
    }

    fn end_statement(&mut self, message: Message) -> Result<(), Problem> {
        let Some(mut statement) = self.statement.take() else { return Ok(()) };
        statement.settle(message.name == MESSAGES[0].0);
        let may_be_whole = !statement.has_own_page && statement.is_closed;
        let balances = statement.balances;
        let Some(page) = statement.page.filter(|page| !page.is_whole()) else {
            return self.proof.check(&balances);
        };
        let (wrong, unknown) = balances.verdict()?;
        let is_proven = wrong.is_empty() && !unknown;
        let name = (balances.account.clone(), balances.statement.clone());
        let mut pages = match self.pages.camt.remove(&name) {
            Some(mut pages) => {
                pages.merged.go_on_with(balances)?;
                pages.each_proven &= is_proven;
                pages.may_be_whole &= may_be_whole;
                pages
            }
            None => {
                let (numbers, last) = (BTreeSet::new(), None);
                let (begin, each_proven) = (Begin::at(balances.line), is_proven);
                Pages { begin, merged: balances, each_proven, may_be_whole, numbers, last }
            }
        };
        pages.numbers.insert(page.number);
        pages.last = pages.last.or(Some(page).filter(|page| page.is_last));
        if !pages.are_complete() {
            self.pages.camt.insert(name, pages);
        } else if !pages.each_proven {
            self.proof.check(&pages.merged)?;
        }
        Ok(())
    }

    fn end_file(&mut self) -> Result<(), Problem> {
        self.is_done = true;
        if self.depth > 0 {
            return Err(self.cut_short());
        }
        if self.has_message {
            return Ok(());
        }
        let message = match &self.root {
            None => "this is not XML: it has no elements".to_owned(),
            Some((name, namespace)) if namespace.is_empty() => {
                format!("no camt.052, camt.053 or camt.054 message in this `{name}`")
            }
            Some((name, namespace)) => {
                format!(
                    "no camt.052, camt.053 or camt.054 message in this `{name}` of `{namespace}`"
                )
            }
        };
        Err(malformed(1, message).help("`camt053` reads the XML statements of banks"))
    }
}

/// The amounts of the transactions, if they are given in the entry's currency and add up to it.
fn amounts_of(entry: &Entry, transactions: &[Details]) -> Result<Option<Vec<Decimal>>, Problem> {
    if transactions.is_empty() {
        return Ok(None);
    }
    let mut total = Decimal::ZERO;
    let mut amounts = Vec::with_capacity(transactions.len());
    for details in transactions {
        let Some(unsigned) = details.amount_in(&entry.currency) else { return Ok(None) };
        let amount = signed(unsigned, details.is_credit.unwrap_or(entry.is_credit));
        total = add(total, amount, details.line)?;
        amounts.push(amount);
    }
    Ok((total == entry.amount).then_some(amounts))
}

fn attribute(start: &BytesStart<'_>, name: &str) -> String {
    let found = start.attributes().flatten().find(|found| found.key.as_ref() == name);
    found.map(|found| found.value.trim().to_owned()).unwrap_or_default()
}

/// The character of a reference that XML itself defines.
fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    match &**reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => reference.resolve_char_ref().ok().flatten(),
    }
}

fn not_well_formed(error: &quick_xml::Error, line: u64) -> Problem {
    match error {
        quick_xml::Error::Io(error) => unread(error, line),
        quick_xml::Error::Encoding(_) => undecodable(line),
        error => malformed(line, format!("this is not well-formed XML: {error}")),
    }
}

impl Rows for Camt<'_> {
    fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            if let Some(row) = self.waiting.pop_front() {
                return Ok(Some(row));
            }
            if self.is_done {
                return Ok(None);
            }
            self.step()?;
        }
    }

    fn parts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.parts)
    }

    fn warnings(&mut self) -> Vec<Problem> {
        self.proof.take_warnings()
    }

    fn open_pages(&mut self) -> Option<&mut OpenPages> {
        Some(&mut self.pages)
    }
}
