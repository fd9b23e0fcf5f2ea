//! How two states of JSON differ.

use serde::Serialize;
use serde_json::Value;

/// A place where they differ: the members of objects are compared one by one, anything else whole.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    /// The place as a JSON pointer (RFC 6901); empty for the whole state.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

impl Change {
    /// The changes that lead from one state to the other, ordered by their places.
    pub(crate) fn between(before: &Value, after: &Value) -> Vec<Self> {
        let mut changes = Vec::new();
        collect(&mut changes, &mut String::new(), Some(before), Some(after));
        changes
    }
}

/// Compares at the place `path`. Parsed JSON is not nested deeper than its parser allows.
fn collect(
    changes: &mut Vec<Change>,
    path: &mut String,
    before: Option<&Value>,
    after: Option<&Value>,
) {
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) else {
        if before != after {
            let (before, after) = (before.cloned(), after.cloned());
            changes.push(Change { path: path.clone(), before, after });
        }
        return;
    };
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let mut names: Vec<&String> = old.keys().chain(added).collect();
    names.sort_unstable();
    for name in names {
        let end = path.len();
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        collect(changes, path, old.get(name), new.get(name));
        path.truncate(end);
    }
}

impl std::fmt::Display for Change {
    /// `/total: 42 → 30`, with `+` before what was added and `-` before what was removed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "(all)" } else { &self.path };
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{path}: {before} → {after}"),
            (None, Some(after)) => write!(f, "+{path}: {after}"),
            (Some(before), None) => write!(f, "-{path}: {before}"),
            (None, None) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(before: &Value, after: &Value) -> Vec<String> {
        Change::between(before, after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn members_are_compared_one_by_one_and_anything_else_whole() {
        let before = json!({ "a": 1, "b": { "c": [1, 2], "d": null }, "x/y~z": true, "same": {} });
        let after = json!({ "a": 2, "b": { "c": [1, 3] }, "e": { "f": 1 }, "same": {} });
        assert_eq!(
            changes(&before, &after),
            [
                "/a: 1 → 2",
                "/b/c: [1,2] → [1,3]",
                "-/b/d: null",
                "+/e: {\"f\":1}",
                "-/x~1y~0z: true"
            ]
        );
        assert_eq!(changes(&before, &before), [""; 0]);
        assert_eq!(changes(&json!({ "a": {} }), &json!({ "a": 1 })), ["/a: {} → 1"]);
        assert_eq!(changes(&json!({}), &json!(null)), ["(all): {} → null"]);
    }
}
