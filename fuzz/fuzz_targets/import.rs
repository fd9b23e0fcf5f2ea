//! An import of any bytes, plain or gzip. No panic, no allocation without reason; a bad line has
//! its number and a reason of one line; and what was imported and is exported, imported again, is
//! the same, but for line breaks and white space around JSON.

#![no_main]

use annals::{ContentKind, Event, ExpectedVersion, NewEvent, Store};
use annals_cli::fuzzing::{Line, export, import, shown};
use annals_fuzz::{Bounded, event, text};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fuzz_target!(|input: &[u8]| {
    let Some((&mode, rest)) = input.split_first() else { return };
    match mode & 1 {
        0 => lines(rest),
        // An input that is too short for what it begins is no case.
        _ => events(&mut Unstructured::new(rest)).unwrap_or_default(),
    }
});

/// The bytes as a file.
fn lines(bytes: &[u8]) {
    let (lines, broken) = import(bytes.to_vec());
    let breaks = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    assert!(broken.is_none() || is_packed || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    assert!(lines.array_windows().all(|[one, next]| one.number < next.number));
    assert!(is_packed || lines.iter().all(|line| line.number <= breaks + 1));
    let store = Store::in_memory().unwrap();
    for Line { content, .. } in lines {
        match content {
            Ok((stream, event)) => appended(&store, &stream, event),
            Err(reason) => assert!(!reason.is_empty() && !reason.contains('\n'), "{reason:?}"),
        }
    }
}

/// Events that no line may have said so.
fn events(input: &mut Unstructured<'_>) -> Result<()> {
    let store = Store::in_memory().unwrap();
    while !input.is_empty() {
        let (stream, event) = (text(input, 64)?, event(input)?);
        appended(&store, &stream, event);
    }
    Ok(())
}

/// Appends the event, where the store takes it, and sends it through an export and an import.
fn appended(store: &Store, stream: &str, new: NewEvent) {
    let Ok(receipt) = store.append(stream, ExpectedVersion::Any, &[new]) else { return };
    let event = store.head().event(receipt.position).unwrap().unwrap();
    let line = export(&event);
    assert!(line.ends_with(b"\n") && !line[..line.len() - 1].contains(&b'\n'));
    let text = str::from_utf8(&line).expect("JSON is UTF-8");
    assert!(!shown(text.trim_end()).contains(char::is_control));
    let (mut lines, broken) = import(line.clone());
    assert_eq!((lines.len(), broken), (1, None));
    let again = lines.remove(0).content.expect("what was exported is imported");
    assert_eq!(again, (stream.to_owned(), exported(&event)));

    let copy = Store::in_memory().unwrap();
    let receipt = copy.append(&again.0, ExpectedVersion::Any, &[again.1]).unwrap();
    let copied = copy.head().event(receipt.position).unwrap().unwrap();
    // The first export may have had white space around its JSON, the second has none.
    let (again, _) = import(export(&copied));
    assert_eq!(again[0].content.as_ref().expect("an export").1, exported(&copied));
}

/// The event as it comes out of an export: with the id that the store derived, and its JSON on one
/// line, without white space around it.
fn exported(event: &Event) -> NewEvent {
    let one_line = |bytes: &[u8]| -> Vec<u8> {
        if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
            return bytes.to_vec();
        }
        let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
        bytes.trim_ascii().iter().map(blank).collect()
    };
    let is_json = event.content() == ContentKind::Json;
    NewEvent {
        event_type: event.event_type().to_owned().into(),
        schema: event.schema(),
        content: event.content(),
        data: if is_json { one_line(event.data()).into() } else { event.data_bytes() },
        metadata: one_line(event.metadata()).into(),
        tags: event.tags().map(|tag| tag.to_owned().into()).collect(),
        id: Some(event.id()),
        correlation_id: event.correlation_id(),
        causation_id: event.causation_id(),
        occurred_at: event.occurred_at(),
    }
}
