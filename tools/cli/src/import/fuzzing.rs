//! The reading part of an import, without its thread.

use std::sync::mpsc::sync_channel;

use super::feed::{self, Ending, Message};
use super::input::Input;
use crate::fuzzing::Line;

/// All lines that say something, with their numbers; and why it ended, where not with the input.
pub(crate) fn lines(input: Vec<u8>) -> (Vec<Line>, Option<String>) {
    let input = Input::of(input);
    // Nobody receives meanwhile: all has room.
    let (sender, messages) = sync_channel(MESSAGES_MAX);
    feed::read(input, &sender);
    drop(sender);
    let (mut lines, mut ending) = (Vec::new(), None);
    for message in messages {
        match message {
            Message::Lines(some) => lines.extend(some.into_iter().map(|numbered| Line {
                number: numbered.number,
                content: numbered.line.map(|line| (line.stream, line.event)),
            })),
            Message::End(Ending::Broken(why)) => ending = Some(why),
            Message::End(Ending::Complete) => {}
            Message::End(Ending::Interrupted) | Message::Wake => unreachable!("nobody interrupts"),
        }
    }
    (lines, ending)
}

/// More than an input of a fuzz target makes.
const MESSAGES_MAX: usize = 1 << 10;
