//! Writing YAML that `recon.yaml` reads back as the same texts.

use serde_json::Value;

use crate::domain::unseen::is_unseen;
pub use crate::domain::unseen::quoted;

/// A document in block style.
pub fn document(value: &Value) -> String {
    let mut odd = Odd { mark: "recon-text".to_owned(), texts: Vec::new() };
    while value.to_string().contains(&odd.mark) {
        odd.mark.push('-');
    }
    let marked = odd.marked(value);
    // A value of JSON has only texts as keys, which YAML can always write.
    let mut yaml = serde_yaml::to_string(&marked).unwrap_or_default();
    for (number, text) in odd.texts.iter().enumerate().rev() {
        yaml = yaml.replace(&format!("{}{number}", odd.mark), &quoted(text));
    }
    yaml
}

/// Texts that serde_yaml writes so that our reader, or a person, reads something else: U+2028 and U+2029 end a line
/// only in YAML 1.1, an unquoted `<<` is a merge key, and marks of direction show another order. Marks replace them
/// until the document is written.
struct Odd {
    mark: String,
    texts: Vec<String>,
}

impl Odd {
    fn text(&mut self, text: &str) -> String {
        if text != "<<" && !text.contains(|odd: char| !odd.is_ascii() && is_unseen(odd)) {
            return text.to_owned();
        }
        self.texts.push(text.to_owned());
        format!("{}{}", self.mark, self.texts.len() - 1)
    }

    fn marked(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.marked(item)).collect(),
            Value::Object(entries) => entries
                .iter()
                .map(|(key, value)| (self.text(key), self.marked(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }
}
